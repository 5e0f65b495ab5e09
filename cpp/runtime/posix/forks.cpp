#include "../forks.h"

#include <pthread.h>

namespace nncore::runtime {

void in_forked_children(void (*action)()) { ::pthread_atfork(nullptr, nullptr, action); }

}  // namespace nncore::runtime
