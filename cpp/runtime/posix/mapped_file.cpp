#include "../mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

namespace nncore::runtime {
namespace {

struct Place {
    std::atomic<std::uintptr_t> first{0}, last{0};  // 0: free
    std::atomic<std::uint64_t> lost{0};
};

// Read by the handler, so of a fixed size and without a lock. Further files are mapped as well, and
// lack its protection.
constexpr int kPlaces = 1024;
Place places[kPlaces];
std::mutex changing;
std::atomic<std::uint64_t> lost{0};
std::uintptr_t page_size = 4096;
struct sigaction before;  // what SIGBUS did

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

Place* place_of(std::uintptr_t address) noexcept {
    for (Place& place : places)
        if (address >= place.first.load() && address < place.last.load()) return &place;
    return nullptr;
}

// An access to a page that its file has no more: zeros take its place, and the access is repeated.
// Whoever computes with them asks lost_pages() before the result is given to anybody.
void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    if (Place* const place = place_of(address)) {
        void* const page = reinterpret_cast<void*>(address / page_size * page_size);
        // Counted first: another thread that sees the zeros must see the count.
        lost.fetch_add(1);
        place->lost.fetch_add(1);
        if (::mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
            MAP_FAILED) {
            errno = error;
            return;
        }
    }
    errno = error;
    // None of ours: what would have happened without this handler happens.
    if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction != nullptr) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else {
        ::sigaction(SIGBUS, &before, nullptr);  // the access is repeated, and ends the process
    }
}

void watch() {
    static std::once_flag once;
    std::call_once(once, [] {
        page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        struct sigaction action = {};
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGBUS, &action, &before);
    });
}

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category()); }

struct Descriptor {
    int value;
    ~Descriptor() { ::close(value); }
};

}  // namespace

MappedFile::MappedFile(const std::string& path, std::size_t size) : size_(size) {
    watch();
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) fail(errno);
    const Descriptor file{opened};
    struct stat status;
    if (::fstat(opened, &status) != 0) fail(errno);
    if (!S_ISREG(status.st_mode) || status.st_size < 0 ||
        static_cast<std::size_t>(status.st_size) != size || size == 0)
        fail(EINVAL);
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, opened, 0);
    if (data == MAP_FAILED) fail(errno);
    data_ = static_cast<const std::uint8_t*>(data);
    const std::lock_guard<std::mutex> lock(changing);
    for (int i = 0; i < kPlaces; ++i) {
        if (places[i].last.load() != 0) continue;
        const auto first = reinterpret_cast<std::uintptr_t>(data);
        places[i].lost.store(0);
        places[i].first.store(first);
        places[i].last.store(first + (size + page_size - 1) / page_size * page_size);
        place_ = i;
        break;
    }
}

MappedFile::~MappedFile() {
    ::munmap(const_cast<std::uint8_t*>(data_), size_);
    if (place_ < 0) return;
    const std::lock_guard<std::mutex> lock(changing);
    places[place_].last.store(0);
    places[place_].first.store(0);
}

std::uint64_t lost_pages() noexcept { return lost.load(); }

std::uint64_t lost_pages_at(const void* address) noexcept {
    const Place* const place = place_of(reinterpret_cast<std::uintptr_t>(address));
    return place == nullptr ? 0 : place->lost.load();
}

}  // namespace nncore::runtime
