// The names in a folder that holds plain files only, which folders of thousands mostly do.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace nncore::runtime {

// Names of the files in `folder`, sorted by their bytes; nothing unless every entry is a regular
// file (no folder, link or device), none is hidden (starts with a dot, or is
// __MACOSX), and all names are ASCII, so
// that bytes and characters sort alike. Nothing either where the folder cannot be read or the file
// system does not say what its entries are.
std::optional<std::vector<std::string>> plain_files(const char* folder);

}  // namespace nncore::runtime
