// A random call of each kernel, named like it: a kernel of the table without one does not link.
#pragma once

#include "call.h"

namespace boundary {

#define NNCORE_KERNEL(result, name, arguments) void name(Call&);
#include "../../../cpp/kernels/table.inc"

// Those outside the table.
void matmul(Call&);
void augment_bytes(Call&);
void augment_floats(Call&);

}  // namespace boundary
