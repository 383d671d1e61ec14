// First level of the table comparison (protocols 5.5) on bit planes: k planes hold the k-bit values of 64 columns a word.
#pragma once
#include <cstring>

#include "words.hpp"

namespace {

using Planes8 = u64 __attribute__((vector_size(64)));
constexpr size STEP = 8;     // words in a vector
constexpr size BLOCK = 64;   // words of each stream worked on at a time

template <unsigned K> struct Leaf {
    static constexpr unsigned entries = 1u << K;

    // is[v] = the columns whose value is v
    template <class V> TERCET_INLINE void one_hot(const V (&plane)[K], V (&is)[entries]) {
        is[0] = ~(plane[0] & ~plane[0]);
        for (unsigned b = 0; b < K; ++b) {
            for (unsigned v = 0; v < (1u << b); ++v) {
                is[v + (1u << b)] = is[v] & plane[b];
                is[v] &= ~plane[b];
            }
        }
    }
    // Blockwise, so that the many streams of a table are each touched a run at a time.
    static void deal(size groups, size width, const u64* r, const u64* own, u64* out) {
        alignas(64) u64 hot[entries][BLOCK];
        for (size g = 0; g < groups; ++g) {
            for (size from = 0; from < width; from += BLOCK) {
                const size count = width - from < BLOCK ? width - from : BLOCK;
                size at = 0;
                for (; at + STEP <= count; at += STEP) hot_at<Planes8>(width, r + from + at, &hot[0][at]);
                for (; at < count; ++at) hot_at<u64>(width, r + from + at, &hot[0][at]);
                for (unsigned j = 0; j + 1 < entries; ++j) {
                    const u64 *mine = own + j * width + from, *is = hot[entries - 1 - j];
                    u64* to = out + j * width + from;
                    _Pragma("GCC ivdep") for (size i = 0; i < count; ++i) to[i] = mine[i] ^ is[i];
                }
            }
            r += K * width;
            own += (entries - 1) * width;
            out += (entries - 1) * width;
        }
    }
    template <class V> TERCET_INLINE void hot_at(size width, const u64* r, u64* hot) {
        V plane[K], is[entries];
        for (unsigned b = 0; b < K; ++b) std::memcpy(&plane[b], r + b * width, sizeof(V));
        one_hot<V>(plane, is);
        for (unsigned v = 0; v < entries; ++v) std::memcpy(hot + v * BLOCK, &is[v], sizeof(V));
    }

    // A subtree of the table under the high bits of c: the selected entry, the sum before it, and the sum of all.
    template <class V> struct Node {
        V selected, before, total;
    };
    template <class V, unsigned B>
    TERCET_INLINE Node<V> select(const V (&plane)[K], size width, const u64* share, V last, unsigned first) {
        if constexpr (B == 0) {
            V entry;
            if (first == entries - 1) entry = last;
            else std::memcpy(&entry, share + first * width, sizeof(V));
            return {entry, entry ^ entry, entry};
        } else {
            const Node<V> low = select<V, B - 1>(plane, width, share, last, first);
            const Node<V> high = select<V, B - 1>(plane, width, share, last, first + (1u << (B - 1)));
            const V bit = plane[B - 1], past = low.total ^ high.before;
            return {low.selected ^ (bit & (low.selected ^ high.selected)), low.before ^ (bit & (low.before ^ past)),
                    low.total ^ high.total};
        }
    }
    template <class V>
    TERCET_INLINE void eval_at(size width, const u64* c, const u64* share, bool last_ones, u64* p, u64* g) {
        V plane[K], last = V{};
        for (unsigned b = 0; b < K; ++b) std::memcpy(&plane[b], c + b * width, sizeof(V));
        for (unsigned j = 0; j + 1 < entries; ++j) {
            V entry;
            std::memcpy(&entry, share + j * width, sizeof(V));
            last ^= entry;
        }
        if (last_ones) last = ~last;
        const Node<V> root = select<V, K>(plane, width, share, last, 0);
        std::memcpy(p, &root.selected, sizeof(V));
        std::memcpy(g, &root.before, sizeof(V));
    }
    static void eval(size groups, size width, const u64* c, const u64* share, bool last_ones, u64* p, u64* g) {
        for (size group = 0; group < groups; ++group) {
            size at = 0;
            for (; at + STEP <= width; at += STEP)
                eval_at<Planes8>(width, c + at, share + at, last_ones, p + at, g + at);
            for (; at < width; ++at) eval_at<u64>(width, c + at, share + at, last_ones, p + at, g + at);
            c += K * width;
            share += (entries - 1) * width;
            p += width;
            g += width;
        }
    }
};

static void leaf_deal(unsigned k, size groups, size width, const u64* r, const u64* own, u64* out) {
    switch (k) {
        case 1: return Leaf<1>::deal(groups, width, r, own, out);
        case 2: return Leaf<2>::deal(groups, width, r, own, out);
        case 3: return Leaf<3>::deal(groups, width, r, own, out);
        case 4: return Leaf<4>::deal(groups, width, r, own, out);
        case 5: return Leaf<5>::deal(groups, width, r, own, out);
    }
}

static void leaf_eval(unsigned k, size groups, size width, const u64* c, const u64* share, bool last_ones, u64* p,
                      u64* g) {
    switch (k) {
        case 1: return Leaf<1>::eval(groups, width, c, share, last_ones, p, g);
        case 2: return Leaf<2>::eval(groups, width, c, share, last_ones, p, g);
        case 3: return Leaf<3>::eval(groups, width, c, share, last_ones, p, g);
        case 4: return Leaf<4>::eval(groups, width, c, share, last_ones, p, g);
        case 5: return Leaf<5>::eval(groups, width, c, share, last_ones, p, g);
    }
}

}  // namespace
