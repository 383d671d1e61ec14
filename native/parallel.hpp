// Splits a range of work over threads that live as long as the call.
#pragma once
#include <cstddef>
#include <thread>
#include <vector>

namespace tercet {

// body(begin, end) on up to `threads` parts of [0, count), cut at multiples of `grain`
template <class Body> void parallel(std::size_t count, unsigned threads, std::size_t grain, Body body) {
    const std::size_t grains = (count + grain - 1) / grain;
    const std::size_t parts = threads < grains ? threads : grains;
    if (parts <= 1) return body(std::size_t(0), count);
    const auto cut = [&](std::size_t part) {
        const std::size_t at = grains * part / parts * grain;
        return at < count ? at : count;
    };
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; ++part)
        others.emplace_back([&, part] { body(cut(part), cut(part + 1)); });
    body(cut(0), cut(1));
}

}  // namespace tercet
