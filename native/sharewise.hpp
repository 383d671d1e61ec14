// Powers and sines of one party's half of a phase, for the cross terms of protocols/sharewise.py. Integers only: what A
// and B compute must agree to the last bit on every machine. A phase is 64 bits of which as many as the caller says
// are whole; series are nested sums of 64-bit coefficients times 2^62, by the high halves of products.
#pragma once
#include "words.hpp"

namespace {

constexpr size PHASES = 64;  // worked on side by side
constexpr unsigned MANTISSA = 62;

TERCET_INLINE u64 high_half(u64 a, u64 b) { return u64(wide(a) * b >> 64); }

// value / 2^s, rounded to the nearest, for a value below 2^63 and s <= 63
TERCET_INLINE u64 rounded(u64 value, unsigned s) { return s ? (value + (u64(1) << (s - 1))) >> s : value; }

// c_0 + t (c_1 + t (c_2 + ..)) for t / 2^64 in [0, 1)
TERCET_INLINE void series_up(const u64* t, const u64* c, unsigned terms, u64* out) {
    for (size i = 0; i < PHASES; ++i) out[i] = c[terms - 1];
    for (unsigned k = terms - 1; k-- > 0;)
        for (size i = 0; i < PHASES; ++i) out[i] = c[k] + high_half(out[i], t[i]);
}
// c_0 - t (c_1 - t (c_2 - ..))
TERCET_INLINE void series_down(const u64* t, const u64* c, unsigned terms, u64* out) {
    for (size i = 0; i < PHASES; ++i) out[i] = c[terms - 1];
    for (unsigned k = terms - 1; k-- > 0;)
        for (size i = 0; i < PHASES; ++i) out[i] = c[k] - high_half(out[i], t[i]);
}

// How a phase is cut: `blocks` rows of a table from its highest bits, `low` whole bits below, then the fraction.
struct Cut {
    unsigned whole, low;
    size rows() const { return size(1) << (whole - low); }
    u64 row(u64 phase) const { return phase >> (64 - whole + low); }
    unsigned step(u64 phase) const { return unsigned(phase >> (64 - whole)) & ((1u << low) - 1); }
    u64 fraction(u64 phase) const { return phase << whole; }
};

TERCET_INLINE size load_phases(const u64* from, size count, u64* to) {
    const size have = count < PHASES ? count : PHASES;
    for (size i = 0; i < have; ++i) to[i] = from[i];
    for (size i = have; i < PHASES; ++i) to[i] = 0;
    return have;
}

template <class T> struct Sharewise {
    // a mantissa below 2^63 times 2^up, rounded, modulo the ring
    static T at_scale(u64 mantissa, int up) {
        if (up >= 0) return unsigned(up) < Traits<T>::bits ? Traits<T>::of(mantissa) << unsigned(up) : Traits<T>::of(0);
        return Traits<T>::of(up >= -63 ? rounded(mantissa, unsigned(-up)) : 0);
    }

    // D: rows of 2^(first + 2^low n + rest) times 2^scale less `drawn`, n = row + own row, where the last code is -1
    static void power_table(size count, const u64* phase, unsigned whole, unsigned low, int first, unsigned scale,
                            int cut, const u64* c, unsigned terms, const void* drawn_, void* out_) {
        const T* drawn = static_cast<const T*>(drawn_);
        T* out = static_cast<T*>(out_);
        const Cut form{whole, low};
        const size rows = form.rows();
        const int width = 1 << low;
        u64 own[PHASES], t[PHASES], mantissa[PHASES];
        for (size at = 0; at < count; at += PHASES) {
            const size have = load_phases(phase + at, count - at, own);
            for (size i = 0; i < PHASES; ++i) t[i] = form.fraction(own[i]);
            series_up(t, c, terms, mantissa);
            for (size j = 0; j < rows; ++j)
                for (size i = 0; i < have; ++i) {
                    const size code = (j + form.row(own[i])) & (rows - 1);
                    const int n = code == rows - 1 ? -1 : int(code);
                    const int exponent = first + width * n + int(form.step(own[i]));
                    // the factor that A and B hold is below 2^width
                    const bool gone = exponent + 1 + width <= cut;
                    const size to = j * count + at + i;
                    const T entry = gone ? Traits<T>::of(0)
                                         : at_scale(mantissa[i], exponent + int(scale) - int(MANTISSA));
                    out[to] = entry - drawn[to];
                }
        }
    }

    // A and B: the entry of the own row times 2^rest times 2^scale, less `mask`
    static void power_cross(size count, const u64* phase, unsigned whole, unsigned low, unsigned scale, const u64* c,
                            unsigned terms, const void* table_, const void* mask_, void* out_) {
        const T *table = static_cast<const T*>(table_), *mask = static_cast<const T*>(mask_);
        T* out = static_cast<T*>(out_);
        const Cut form{whole, low};
        u64 own[PHASES], t[PHASES], mantissa[PHASES];
        for (size at = 0; at < count; at += PHASES) {
            const size have = load_phases(phase + at, count - at, own);
            for (size i = 0; i < PHASES; ++i) t[i] = form.fraction(own[i]);
            series_up(t, c, terms, mantissa);
            for (size i = 0; i < have; ++i) {
                const u64 factor = rounded(mantissa[i], MANTISSA - scale - form.step(own[i]));
                out[at + i] = table[form.row(own[i]) * count + at + i] * Traits<T>::of(factor) - mask[at + i];
            }
        }
    }

    // sin and cos of a phase in turns, times 2^scale, in two's complement; rounded towards 0, so that the sum of their
    // squares is at most 1
    static void sines(const u64* phase, unsigned scale, const u64* c_sin, unsigned sin_terms, const u64* c_cos,
                      unsigned cos_terms, T* sine, T* cosine) {
        u64 z[PHASES], square[PHASES], a[PHASES], b[PHASES];
        for (size i = 0; i < PHASES; ++i) {
            const u64 part = phase[i] << 2;  // of a quarter turn
            z[i] = part >> 63 ? -part : part;
            square[i] = high_half(z[i], z[i]);
        }
        series_down(square, c_sin, sin_terms, a);
        series_down(square, c_cos, cos_terms, b);
        for (size i = 0; i < PHASES; ++i) {
            const u64 quarter = phase[i] >> 62, mirrored = (phase[i] << 2) >> 63;
            const u64 small = high_half(a[i], z[i]) >> (MANTISSA - scale), large = b[i] >> (MANTISSA - scale);
            const bool swapped = (mirrored ^ quarter) & 1;
            const T s = Traits<T>::of(swapped ? large : small), k = Traits<T>::of(swapped ? small : large);
            sine[i] = quarter >> 1 ? Traits<T>::of(0) - s : s;
            cosine[i] = (quarter ^ (quarter >> 1)) & 1 ? Traits<T>::of(0) - k : k;
        }
    }

    // D: cos, then sin, less `drawn`
    static void sine_terms(size count, const u64* phase, unsigned scale, const u64* c_sin, unsigned sin_terms,
                           const u64* c_cos, unsigned cos_terms, const void* drawn_, void* out_) {
        const T* drawn = static_cast<const T*>(drawn_);
        T* out = static_cast<T*>(out_);
        u64 own[PHASES];
        T sine[PHASES], cosine[PHASES];
        for (size at = 0; at < count; at += PHASES) {
            const size have = load_phases(phase + at, count - at, own);
            sines(own, scale, c_sin, sin_terms, c_cos, cos_terms, sine, cosine);
            for (size i = 0; i < have; ++i) out[at + i] = cosine[i] - drawn[at + i];
            for (size i = 0; i < have; ++i) out[count + at + i] = sine[i] - drawn[count + at + i];
        }
    }

    // A and B: sin times the first term plus cos times the second, less `mask`
    static void sine_cross(size count, const u64* phase, unsigned scale, const u64* c_sin, unsigned sin_terms,
                           const u64* c_cos, unsigned cos_terms, const void* terms_, const void* mask_, void* out_) {
        const T *terms = static_cast<const T*>(terms_), *mask = static_cast<const T*>(mask_);
        T* out = static_cast<T*>(out_);
        u64 own[PHASES];
        T sine[PHASES], cosine[PHASES];
        for (size at = 0; at < count; at += PHASES) {
            const size have = load_phases(phase + at, count - at, own);
            sines(own, scale, c_sin, sin_terms, c_cos, cos_terms, sine, cosine);
            for (size i = 0; i < have; ++i)
                out[at + i] = sine[i] * terms[at + i] + cosine[i] * terms[count + at + i] - mask[at + i];
        }
    }
};

}  // namespace
