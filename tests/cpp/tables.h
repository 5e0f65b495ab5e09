// The kernel tables of this machine, each to be held against the reference.
#pragma once

#include <string>
#include <vector>

#include "kernels/dispatch.h"

inline const nncore::kernels::Kernels& table_named(const std::string& isa) {
    nncore::kernels::select_isa(isa);
    return nncore::kernels::active();
}

inline const nncore::kernels::Kernels& reference_table() { return table_named("reference"); }

// All but the reference, best first.
inline std::vector<const nncore::kernels::Kernels*> fast_tables() {
    std::vector<const nncore::kernels::Kernels*> tables;
    for (const std::string& isa : nncore::kernels::available_isas())
        if (isa != "reference") tables.push_back(&table_named(isa));
    return tables;
}
