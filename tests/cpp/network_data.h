// Data and snapshots for the network tests.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "network/network.h"
#include "random.h"

// FNV-1a over the bits.
inline std::uint64_t hash_of(const std::vector<float>& values) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const float value : values) {
        hash ^= std::bit_cast<std::uint32_t>(value);
        hash *= 0x100000001b3u;
    }
    return hash;
}

// Random images and their classes: labels, the same as one-hot rows, and soft rows.
struct Data {
    Data(std::ptrdiff_t images, std::ptrdiff_t pixels, std::ptrdiff_t outputs, std::uint64_t seed)
        : count(images), classes(outputs) {
        Random random(seed);
        const auto size = static_cast<std::size_t>(images * pixels);
        x.resize(size);
        for (float& value : x) value = random.uniform();
        bytes.resize(size);
        for (std::uint8_t& value : bytes) value = static_cast<std::uint8_t>(random.below(256));
        labels.resize(static_cast<std::size_t>(images));
        one_hot.assign(static_cast<std::size_t>(images * outputs), 0.0f);
        soft.resize(one_hot.size());
        for (std::size_t i = 0; i < labels.size(); ++i) {
            labels[i] = static_cast<std::int32_t>(random.below(outputs));
            one_hot[i * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(labels[i])] =
                1.0f;
        }
        for (float& value : soft) value = random.uniform(0.0f, 1.0f);
        order.resize(labels.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
        for (std::size_t i = order.size(); i > 1; --i)
            std::swap(
                order[i - 1],
                order[static_cast<std::size_t>(random.below(static_cast<std::ptrdiff_t>(i)))]);
    }

    nncore::network::Images images() const { return {nullptr, x.data(), count}; }
    nncore::network::Images byte_images() const { return {bytes.data(), nullptr, count}; }
    nncore::network::Targets label_targets() const { return {labels.data(), nullptr}; }
    nncore::network::Targets one_hot_targets() const { return {nullptr, one_hot.data()}; }
    nncore::network::Targets soft_targets() const { return {nullptr, soft.data()}; }

    std::ptrdiff_t count, classes;
    std::vector<float> x, one_hot, soft;
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> labels, order;  // order: a shuffle of all images
};

// All parameters, or all gradients, one after the other in natural order.
inline std::vector<float> weights_of(const nncore::network::Network& network) {
    std::vector<float> all(static_cast<std::size_t>(network.parameter_count()));
    float* next = all.data();
    for (const auto& parameter : network.parameters()) {
        network.read_parameter(parameter, next);
        next += nncore::network::element_count(parameter.shape);
    }
    return all;
}

inline std::vector<float> gradients_of(const nncore::network::Network& network) {
    std::vector<float> all(static_cast<std::size_t>(network.parameter_count()));
    float* next = all.data();
    for (const auto& parameter : network.parameters()) {
        network.read_gradient(parameter, next);
        next += nncore::network::element_count(parameter.shape);
    }
    return all;
}

inline void set_weights(nncore::network::Network& network, const std::vector<float>& all) {
    const float* next = all.data();
    for (const auto& parameter : network.parameters()) {
        network.write_parameter(parameter, next);
        next += nncore::network::element_count(parameter.shape);
    }
}

// Equal bit for bit (a NaN equals itself).
template <class T>
bool identical(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
