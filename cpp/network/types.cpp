#include "types.h"

#include <stdexcept>

namespace nncore::network {

std::ptrdiff_t element_count(const Shape& shape) {
    std::ptrdiff_t count = 1;
    for (const std::ptrdiff_t n : shape) count *= n;
    return count;
}

std::string to_string(const Shape& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

Loss loss_from_name(const std::string& name) {
    if (name == "mse") return Loss::mse;
    if (name == "sse") return Loss::sse;
    if (name == "cross_entropy") return Loss::cross_entropy;
    if (name == "focal") return Loss::focal;
    throw std::invalid_argument("unknown loss \"" + name +
                                "\"; known: mse, sse, cross_entropy, focal");
}

Method method_from_name(const std::string& name) {
    if (name == "sgd") return Method::sgd;
    if (name == "rmsprop") return Method::rmsprop;
    if (name == "adam") return Method::adam;
    throw std::invalid_argument("unknown method \"" + name + "\"; known: sgd, rmsprop, adam");
}

const char* name_of(Method method) {
    switch (method) {
        case Method::rmsprop:
            return "rmsprop";
        case Method::adam:
            return "adam";
        case Method::sgd:
            break;
    }
    return "sgd";
}

}  // namespace nncore::network
