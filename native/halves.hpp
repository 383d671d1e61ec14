// Places of a sort in two halves: residues modulo 2^w in words of 32 bits, moved and masked as tight fields, and the
// places of a digit from one-hot vectors that a third party dealt (protocols/digits.py). Fields are worked on in blocks.
#pragma once
#include <cstring>

#include "planes.hpp"

namespace {

constexpr size PLACED = 256;  // elements at a time: their fields are whole bytes, whatever is in them

// out[i] = in[order[i]] + mask[i], or less it: the w lowest bits modulo 2^w, the others up to `bits` under XOR. What is
// read and written are words or fields of `bits`, where the pointer to the others is null; so is `mask` where there is none.
static void move_fields(size n, unsigned w, unsigned bits, bool negative, size have, const u32* words,
                        const std::uint8_t* fields, const u32* order, const std::uint8_t* mask, u32* out,
                        std::uint8_t* packed) {
    const size total = (have * bits + 7) / 8;
    const u32 low = low_mask<u32>(w), all = low_mask<u32>(bits), high = all & ~low;
    u32 moved[PLACED], drawn[PLACED];
    for (size at = 0; at < n; at += PLACED) {
        const size count = n - at < PLACED ? n - at : PLACED;
        const u32* from = order + at;
        if (words) {
            for (size i = 0; i < count; ++i) moved[i] = words[from[i]];
        } else {
            for (size i = 0; i < count; ++i) {
                const size bit = size(from[i]) * bits, byte = bit / 8;
                u64 value = 0;
                if (byte + 8 <= total) std::memcpy(&value, fields + byte, 8);
                else std::memcpy(&value, fields + byte, total - byte);
                moved[i] = u32(value >> bit % 8);
            }
        }
        if (mask) {
            Fields<u32>::unpack(count, mask + at / 8 * bits, bits, drawn);
            const u32 sign = negative ? ~u32(0) : 0;  // -x = ~x + 1
            for (size i = 0; i < count; ++i)
                moved[i] = ((moved[i] + (drawn[i] ^ sign) - sign) & low) | ((moved[i] ^ drawn[i]) & high);
        } else {
            for (size i = 0; i < count; ++i) moved[i] &= all;
        }
        if (out) std::memcpy(out + at, moved, count * sizeof(u32));
        else Fields<u32>::pack(count, moved, bits, packed + at / 8 * bits);
    }
}

template <unsigned WIDTH> struct Lanes;  // a word for each digit of so many bits
template <> struct Lanes<1> {
    using Type = u32 __attribute__((vector_size(8)));
};
template <> struct Lanes<2> {
    using Type = u32 __attribute__((vector_size(16)));
};
template <> struct Lanes<3> {
    using Type = u32 __attribute__((vector_size(32)));
};

// Of digits of WIDTH bits: entry 0 of a one-hot vector is what the others leave of one; these are the fields, element by
// element, and lanes of a vector here.
template <unsigned WIDTH> struct Digits {
    static constexpr unsigned DIGITS = 1u << WIDTH, SETS = DIGITS - 1;
    using V = typename Lanes<WIDTH>::Type;
    using Fields32 = Fields<u32>;

    struct Block {  // a word before the first element's fields, and behind the last one's
        u32 words[SETS * PLACED + 2 * DIGITS];
        u32* element(size i) { return words + DIGITS + SETS * i; }
        void read(size count, const std::uint8_t* fields, unsigned w) {
            Fields32::unpack(SETS * count, fields, w, words + DIGITS);
        }
        void write(size count, std::uint8_t* fields, unsigned w) {
            Fields32::pack(SETS * count, words + DIGITS, w, fields);
        }
    };

    TERCET_INLINE V lanes() {
        V v;
        for (unsigned i = 0; i < DIGITS; ++i) v[i] = i;
        return v;
    }
    TERCET_INLINE V splat(u32 x) { return lanes() * 0 + x; }
    TERCET_INLINE V taken(V v, V places) {
#if defined(__clang__)
        V out;
        for (unsigned i = 0; i < DIGITS; ++i) out[i] = v[places[i] % DIGITS];
        return out;
#else
        return __builtin_shuffle(v, places);
#endif
    }
    TERCET_INLINE V summed(V v) {  // the sum, in every lane
        for (unsigned bit = 1; bit < DIGITS; bit *= 2) v += taken(v, lanes() ^ bit);
        return v;
    }
    TERCET_INLINE u32 total(V v) {
        const V all = summed(v);
        return all[0];
    }
    TERCET_INLINE V others() { return V(lanes() != 0); }  // of the lanes that fields have
    TERCET_INLINE V load(const u32* element) {
        V v;
        std::memcpy(&v, element - 1, sizeof v);
        return v & others();
    }
    TERCET_INLINE void store(V v, u32* element) {  // and a word that the next element's overwrite
        const V turned = taken(v, (lanes() + 1) % DIGITS);
        std::memcpy(element, &turned, sizeof turned);
    }
    TERCET_INLINE V whole(V entries, u32 one) { return entries | ((splat(one) - summed(entries)) & ~others()); }

    // The dealer: of one-hot vectors of `digits` less those of A, and the terms of the places that its draws leave.
    static void deal(size n, unsigned w, const u32* digits, const std::uint8_t* a, const std::uint8_t* v,
                     const std::uint8_t* x, const std::uint8_t* mask, std::uint8_t* b, std::uint8_t* rest) {
        static_assert(PLACED % 8 == 0);
        Block first, second, third, out;
        u32 terms[PLACED], drawn[PLACED];
        std::memset(&first, 0, sizeof first);
        std::memset(&second, 0, sizeof second);
        std::memset(&third, 0, sizeof third);
        for (size at = 0; at < n; at += PLACED) {
            const size count = n - at < PLACED ? n - at : PLACED, from = at / 8 * SETS * w;
            first.read(count, a + from, w);
            second.read(count, v + from, w);
            third.read(count, x + from, w);
            Fields32::unpack(count, mask + at / 8 * w, w, drawn);
            for (size i = 0; i < count; ++i) {
                const V mine = load(first.element(i)), one = V(lanes() == splat(digits[at + i])) & 1;
                const V theirs = (one - mine) & others();
                terms[i] = total(mine * load(second.element(i)) + theirs * load(third.element(i))) - drawn[i];
                store(theirs, out.element(i));
            }
            out.write(count, b + from, w);
            Fields32::pack(count, terms, w, rest + at / 8 * w);
        }
    }

    // A or B: with s_j the place that an element has if its digit is j, as this party's part of it, gives the fields of
    // s_j - s_0 less a mask, and s_0 plus the products of these with its part of the one-hot vector. All in the order
    // that `turns` make of the digits: j stands for the digit j ^ turn. `totals` has lines times DIGITS words.
    static void table(size lines, size length, unsigned w, u32 one, const u32* turns, const std::uint8_t* entries,
                      const std::uint8_t* mask, u32* totals, std::uint8_t* sent, u32* kept) {
        const size n = lines * length;
        Block block, drawn, out;
        std::memset(&block, 0, sizeof block);
        std::memset(&drawn, 0, sizeof drawn);
        size line = 0, left = length;
        V running = splat(0);
        for (size at = 0; at < n; at += PLACED) {
            const size count = n - at < PLACED ? n - at : PLACED;
            block.read(count, entries + at / 8 * SETS * w, w);
            for (size i = 0; i < count; ++i) {
                running += taken(whole(load(block.element(i)), one), lanes() ^ turns[at + i]);
                if (--left == 0) {
                    std::memcpy(totals + DIGITS * line++, &running, sizeof running);
                    running = splat(0);
                    left = length;
                }
            }
        }
        for (line = 0; line < lines; ++line) {  // how many have a smaller digit, less one
            u32 before = u32(0) - one;
            for (unsigned digit = 0; digit < DIGITS; ++digit) {
                const u32 total = totals[DIGITS * line + digit];
                totals[DIGITS * line + digit] = before;
                before += total;
            }
        }
        line = 0;
        left = 0;
        for (size at = 0; at < n; at += PLACED) {
            const size count = n - at < PLACED ? n - at : PLACED, from = at / 8 * SETS * w;
            block.read(count, entries + from, w);
            drawn.read(count, mask + from, w);
            for (size i = 0; i < count; ++i) {
                if (left == 0) {
                    std::memcpy(&running, totals + DIGITS * line++, sizeof running);
                    left = length;
                }
                --left;
                const V mine = load(block.element(i)), turn = lanes() ^ turns[at + i];
                running += taken(whole(mine, one), turn);
                const V places = taken(running, turn), more = places - places[0];
                kept[at + i] = places[0] + total(mine * more);
                store(more - load(drawn.element(i)), out.element(i));
            }
            out.write(count, sent + from, w);
        }
    }

    // A or B: what it kept, plus a part of the products that the other's fields give, plus `rest`; modulo 2^w.
    static void join(size n, unsigned w, const std::uint8_t* entries, const std::uint8_t* theirs,
                     const std::uint8_t* rest, u32* kept) {
        Block mine, other;
        u32 more[PLACED];
        std::memset(&mine, 0, sizeof mine);
        std::memset(&other, 0, sizeof other);
        const u32 low = low_mask<u32>(w);
        for (size at = 0; at < n; at += PLACED) {
            const size count = n - at < PLACED ? n - at : PLACED, from = at / 8 * SETS * w;
            mine.read(count, entries + from, w);
            other.read(count, theirs + from, w);
            Fields32::unpack(count, rest + at / 8 * w, w, more);
            for (size i = 0; i < count; ++i)
                kept[at + i] =
                    (kept[at + i] + more[i] + total(load(mine.element(i)) * load(other.element(i)))) & low;
        }
    }
};

template <class F> static void with_digits(unsigned width, F&& f) {
    switch (width) {
        case 1: return f(Digits<1>{});
        case 2: return f(Digits<2>{});
        case 3: return f(Digits<3>{});
    }
}
static void digits_deal(unsigned width, size n, unsigned w, const u32* digits, const std::uint8_t* a,
                        const std::uint8_t* v, const std::uint8_t* x, const std::uint8_t* mask, std::uint8_t* b,
                        std::uint8_t* rest) {
    with_digits(width, [&](auto of) { of.deal(n, w, digits, a, v, x, mask, b, rest); });
}
static void digits_table(unsigned width, size lines, size length, unsigned w, bool one, const u32* turns,
                         const std::uint8_t* entries, const std::uint8_t* mask, u32* totals, std::uint8_t* sent,
                         u32* kept) {
    with_digits(width, [&](auto of) { of.table(lines, length, w, one, turns, entries, mask, totals, sent, kept); });
}
static void digits_join(unsigned width, size n, unsigned w, const std::uint8_t* entries, const std::uint8_t* theirs,
                        const std::uint8_t* rest, u32* kept) {
    with_digits(width, [&](auto of) { of.join(n, w, entries, theirs, rest, kept); });
}

}  // namespace
