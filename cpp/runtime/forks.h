// A fork copies memory and one thread alone: what other threads were about to do is never done in
// the child.
#pragma once

namespace nncore::runtime {

// From now on `action` is called in each forked child, before anything else runs there. A system
// without forks never calls it.
void in_forked_children(void (*action)());

}  // namespace nncore::runtime
