// What tests ask of the system, which each does in its own way: variables of the environment, the
// time of the processor, pages of memory, forked children. Windows's own header would bring macros
// such as `near`, so only system.cpp includes it.
#pragma once

#include <cstddef>

// An empty value is one, too, except on Windows, where it removes the variable.
void set_variable(const char* name, const char* value);

// That all threads of this process have spent computing.
double processor_seconds();

std::size_t page_size();
// Whole pages; nullptr if there is no memory.
void* map_pages(std::size_t size);
void unmap_pages(void* memory, std::size_t size);
// From here on nobody can touch them; whether that has worked.
bool close_pages(void* memory, std::size_t size);

#ifndef _WIN32
// Whether body() is true in a forked child.
bool holds_in_a_child(bool (*body)());
#endif
