#include "../forks.h"

namespace nncore::runtime {

void in_forked_children(void (*)()) {}  // there are none

}  // namespace nncore::runtime
