// The short form of a fuzzer, without libFuzzer: the files of a folder, cut off anywhere and with
// random changes. NNCORE_TEST_CALLS says how many changed ones, NNCORE_TEST_SEED which.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "../cpp/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> files_of(const char* folder) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<Bytes> files;
    for (const auto& path : paths) {
        std::ifstream stream(path, std::ios::binary);
        files.emplace_back(std::istreambuf_iterator<char>(stream),
                           std::istreambuf_iterator<char>());
    }
    return files;
}

// One of the changes that libFuzzer makes: bytes set, taken out, put in, copied within the file.
void change(Random& random, Bytes& file) {
    const auto place = [&] { return file.begin() + random.below(std::ssize(file) + 1); };
    const auto byte = [&] { return static_cast<std::uint8_t>(random.below(256)); };
    if (file.empty()) return;
    auto from = place(), to = place();
    if (to < from) std::swap(from, to);
    switch (random.below(6)) {
        case 0:
            file.erase(from, std::min(to, from + 1 + random.below(8)));
            break;
        case 1:
            file.insert(from, byte());
            break;
        case 2: {
            const Bytes part(from, std::min(to, from + 1 + random.below(64)));
            file.insert(place(), part.begin(), part.end());
            break;
        }
        case 3:
            if (from != file.end()) *from = static_cast<std::uint8_t>(*from ^ 1 << random.below(8));
            break;
        default:
            if (from != file.end()) *from = random.below(4) == 0 ? 255 : byte();
    }
}

void take(const Bytes& file) {
    // A copy of exactly that size: the sanitizer sees every byte that is read beyond it.
    const Bytes copy(file.begin(), file.end());
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

long number_of(const char* variable, long otherwise) {
    const char* const asked = std::getenv(variable);
    return asked == nullptr ? otherwise : std::atol(asked);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    const std::vector<Bytes> files = files_of(argv[1]);
    if (files.empty()) {
        std::fprintf(stderr, "%s holds no files\n", argv[1]);
        return 1;
    }
    for (const Bytes& file : files)
        for (std::ptrdiff_t end = 0; end <= std::ssize(file); ++end)
            take(Bytes(file.begin(), file.begin() + end));
    const long calls = number_of("NNCORE_TEST_CALLS", 5000);
    Random random(static_cast<std::uint64_t>(number_of("NNCORE_TEST_SEED", 0)));
    for (long call = 0; call < calls; ++call) {
        Bytes file = files[static_cast<std::size_t>(call) % files.size()];
        for (std::ptrdiff_t changes = 1 + random.below(4); changes > 0; --changes)
            change(random, file);
        take(file);
    }
    std::printf("%ld changed files of %zu did no harm\n", calls, files.size());
    return 0;
}
