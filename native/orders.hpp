// Orders of lines: permutations drawn from uniform words, undone and checked; elements moved by them.
#pragma once
#include <cstring>

#include "words.hpp"

namespace {

// The orders of `lines` lines, as places in the flat array, by Fisher and Yates' method. A place below k comes from a
// word r as floor(r k / 2^32), and r is left out where its low part is among those that would favour some places (Lemire,
// 2019), so every order is as likely. Gives false where the words do not suffice.
static bool draw_orders(size lines, size length, size words, const u32* in, u32* out) {
    const u32* const end = in + words;
    for (size line = 0; line < lines; ++line, out += length) {
        const u32 start = u32(line * length);
        if (length) out[0] = start;
        for (size i = 1; i < length; ++i) {
            const u64 below = i + 1;
            u64 product;
            do {
                if (in == end) return false;
                product = *in++ * below;
            } while (u32(product) < below && u32(product) < (u64(1) << 32) % below);
            const size from = product >> 32;
            out[i] = out[from];
            out[from] = start + u32(i);
        }
    }
    return true;
}

// The greatest place, 0 of none.
static u32 greatest_place(size n, const u32* order) {
    u32 greatest = 0;
    for (size i = 0; i < n; ++i) greatest = order[i] > greatest ? order[i] : greatest;
    return greatest;
}

static void invert_order(size n, const u32* order, u32* out) {
    for (size i = 0; i < n; ++i) out[order[i]] = u32(i);
}

// Places within lines as places in the flat array; false if some line's are no order. `seen` has n bits, all 0.
template <class T> static bool flat_orders(size lines, size length, const void* within_, u64* seen, u32* out) {
    const T* within = static_cast<const T*>(within_);
    for (size line = 0; line < lines; ++line, within += length, out += length) {
        for (size i = 0; i < length; ++i) {
            const u64 place = Traits<T>::low64(within[i]);
            if (place >= length) return false;
            const u64 flat = line * length + place, bit = u64(1) << flat % 64;
            if (seen[flat / 64] & bit) return false;
            seen[flat / 64] |= bit;
            out[i] = u32(flat);
        }
    }
    return true;
}

template <class T> static void gather(size n, const void* in_, const u32* order, void* out_) {
    const T* in = static_cast<const T*>(in_);
    T* out = static_cast<T*>(out_);
    for (size i = 0; i < n; ++i) out[i] = in[order[i]];
}
// The same plus a mask, or less it; `out` may be the mask.
template <class T>
static void gather_masked(size n, const void* in_, const u32* order, const void* mask_, bool negative, void* out_) {
    const T *in = static_cast<const T*>(in_), *mask = static_cast<const T*>(mask_);
    T* out = static_cast<T*>(out_);
    if (negative)
        for (size i = 0; i < n; ++i) out[i] = in[order[i]] - mask[i];
    else
        for (size i = 0; i < n; ++i) out[i] = in[order[i]] + mask[i];
}
template <class T> static void scatter(size n, const void* in_, const u32* order, void* out_) {
    const T* in = static_cast<const T*>(in_);
    T* out = static_cast<T*>(out_);
    for (size i = 0; i < n; ++i) out[order[i]] = in[i];
}

// Rows of `bytes` bytes at the places of `order`.
static void gather_rows(size n, size bytes, const char* in, const u32* order, char* out) {
    for (size i = 0; i < n; ++i) std::memcpy(out + i * bytes, in + order[i] * bytes, bytes);
}

// What a party does alone for the places of a stable sort by one digit of WIDTH bits. [c] are the products of the
// digit's bits over each set c that is not empty, as two components `own` and `next` (sets, lines, length), a set being
// the number whose bits it has. s_j is the place of an element if its digit is j: how many elements up to here have
// digit j, and how many of the line a smaller one, less one. The place is s_0 + sum over c of [c] f_c, with f_c the sum
// over j within c of (-1)^|c - j| s_j, by inclusion and exclusion. Gives s_0 of both components, and the terms of the sum
// that `own` and `next` have, plus `zero`.
template <class T, unsigned WIDTH> struct Destinations {
    static constexpr unsigned DIGITS = 1u << WIDTH, SETS = DIGITS - 1;

    static constexpr size BLOCK = 64;
    using Block = T[DIGITS][BLOCK];

    struct Component {
        const T* words;
        T one;  // whether public numbers belong to this component
        T below[DIGITS], running[DIGITS];

        void start(size n, size length) {
            T total[DIGITS];
            total[0] = one * T(length);
            running[0] = 0;
            for (unsigned set = 1; set < DIGITS; ++set) {
                T sum = 0;
                for (size i = 0; i < length; ++i) sum += words[(set - 1) * n + i];
                total[set] = sum;
                running[set] = 0;
            }
            for (unsigned bit = 0; bit < WIDTH; ++bit)
                for (unsigned set = 0; set < DIGITS; ++set)
                    if (!(set >> bit & 1)) total[set] -= total[set | 1u << bit];
            T before = T(0) - one;
            for (unsigned digit = 0; digit < DIGITS; ++digit) {
                below[digit] = before;
                before += total[digit];
            }
        }
        // f_c of the elements from `at` on, in the place of c
        void factors(size n, size at, size have, Block& f) {
            for (unsigned set = 0; set < DIGITS; ++set) {
                T sum = running[set];
                if (set == 0)
                    for (size i = 0; i < have; ++i) f[set][i] = sum += one;
                else
                    for (size i = 0; i < have; ++i) f[set][i] = sum += words[(set - 1) * n + at + i];
                running[set] = sum;
            }
            // from how many have all bits of a set, how many have these alone
            for (unsigned bit = 0; bit < WIDTH; ++bit)
                for (unsigned set = 0; set < DIGITS; ++set)
                    if (!(set >> bit & 1))
                        _Pragma("GCC ivdep") for (size i = 0; i < BLOCK; ++i) f[set][i] -= f[set | 1u << bit][i];
            for (unsigned digit = 0; digit < DIGITS; ++digit)
                _Pragma("GCC ivdep") for (size i = 0; i < BLOCK; ++i) f[digit][i] += below[digit];
            for (unsigned bit = 0; bit < WIDTH; ++bit)
                for (unsigned set = 0; set < DIGITS; ++set)
                    if (set >> bit & 1)
                        _Pragma("GCC ivdep") for (size i = 0; i < BLOCK; ++i) f[set][i] -= f[set & ~(1u << bit)][i];
        }
    };

    static void run(size lines, size length, const T* own, const T* next, bool one_own, bool one_next, const T* zero,
                    T* mine, T* first, T* second) {
        const size n = lines * length;
        alignas(64) Block f = {}, g = {};
        for (size line = 0; line < lines; ++line) {
            const size start = line * length;
            Component a{own + start, T(one_own), {}, {}}, b{next + start, T(one_next), {}, {}};
            a.start(n, length);
            b.start(n, length);
            for (size at = 0; at < length; at += BLOCK) {
                const size have = length - at < BLOCK ? length - at : BLOCK, from = start + at;
                a.factors(n, at, have, f);
                b.factors(n, at, have, g);
                _Pragma("GCC ivdep") for (size i = 0; i < have; ++i) {
                    T total = zero[from + i];
                    for (unsigned set = 1; set < DIGITS; ++set)
                        total += own[(set - 1) * n + from + i] * (f[set][i] + g[set][i]) +
                                 next[(set - 1) * n + from + i] * f[set][i];
                    mine[from + i] = total;
                }
                for (size i = 0; i < have; ++i) first[from + i] = f[0][i];
                for (size i = 0; i < have; ++i) second[from + i] = g[0][i];
            }
        }
    }
};

template <class T>
static void destinations(unsigned width, size lines, size length, const void* own, const void* next, bool one_own,
                         bool one_next, const void* zero, void* mine, void* first, void* second) {
    const auto with = [&](auto of) {
        of.run(lines, length, static_cast<const T*>(own), static_cast<const T*>(next), one_own, one_next,
               static_cast<const T*>(zero), static_cast<T*>(mine), static_cast<T*>(first), static_cast<T*>(second));
    };
    switch (width) {
        case 1: return with(Destinations<T, 1>{});
        case 2: return with(Destinations<T, 2>{});
        case 3: return with(Destinations<T, 3>{});
    }
}

}  // namespace
