#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace nncore::kernels {

// Defined in table.cpp, once per instruction set that the compiler can target.
#ifdef NNCORE_HAVE_AVX512
namespace avx512 {
const Kernels& table();
}
#endif
#ifdef NNCORE_HAVE_AVX2
namespace avx2 {
const Kernels& table();
}
#endif
#ifdef NNCORE_HAVE_NEON
namespace neon {
const Kernels& table();
}
#endif
#ifdef NNCORE_HAVE_BASELINE
namespace baseline {
const Kernels& table();
}
#endif
namespace reference {
const Kernels& table();
}

namespace {

struct Implementation {
    const char* name;
    const Kernels& (*table)();
    bool (*supported)();
};

bool always() { return true; }

#if defined(NNCORE_HAVE_AVX512) || defined(NNCORE_HAVE_AVX2)
// __builtin_cpu_supports asks cpuid and, for AVX and up, xgetbv: the operating system must save
// the wide registers too.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#ifdef NNCORE_EMULATED_AVX512
bool has_avx512() { return has_avx2(); }
#elif defined(NNCORE_HAVE_AVX512)
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const Implementation implementations[] = {
#ifdef NNCORE_HAVE_AVX512
    {"avx512", avx512::table, has_avx512},
#endif
#ifdef NNCORE_HAVE_AVX2
    {"avx2", avx2::table, has_avx2},
#endif
#ifdef NNCORE_HAVE_NEON
    {"neon", neon::table, always},
#endif
#ifdef NNCORE_HAVE_BASELINE
    {"baseline", baseline::table, always},
#endif
    {"reference", reference::table, always},
};

std::atomic<const Kernels*> chosen{nullptr};

const Kernels& find(const std::string& name, const std::string& asked_by) {
    std::string known;
    for (const auto& implementation : implementations) {
        if (!implementation.supported()) continue;
        if (name == implementation.name) return implementation.table();
        known += (known.empty() ? "" : ", ") + std::string(implementation.name);
    }
    throw std::invalid_argument(asked_by + ": no instruction set \"" + name +
                                "\" on this machine; available: " + known);
}

}  // namespace

const Kernels& active() {
    const Kernels* table = chosen.load(std::memory_order_acquire);
    if (table == nullptr) {
        const char* forced = std::getenv("NNCORE_ISA");
        table = forced != nullptr && *forced != '\0' ? &find(forced, "NNCORE_ISA")
                                                     : &find(available_isas().front(), "dispatch");
        chosen.store(table, std::memory_order_release);
    }
    return *table;
}

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const auto& implementation : implementations)
        if (implementation.supported()) names.emplace_back(implementation.name);
    return names;
}

void select_isa(const std::string& name) {
    chosen.store(&find(name, "select_isa"), std::memory_order_release);
}

}  // namespace nncore::kernels
