// Elementwise kernels. The loops carry no dependence even when `out` is one of the inputs, which `ivdep` tells the compiler.
#pragma once
#include "words.hpp"

namespace {

#define TERCET_EACH \
    _Pragma("GCC ivdep") for (size i = 0; i < count; ++i)

template <class T> struct Elementwise {
    using Tr = Traits<T>;
    static const T* in(const void* p) { return static_cast<const T*>(p); }

    static void add(size count, const void* a_, const void* b_, void* out_) {
        const T *a = in(a_), *b = in(b_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] + b[i];
    }
    static void sub(size count, const void* a_, const void* b_, void* out_) {
        const T *a = in(a_), *b = in(b_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] - b[i];
    }
    static void mul(size count, const void* a_, const void* b_, void* out_) {
        const T *a = in(a_), *b = in(b_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] * b[i];
    }
    static void neg(size count, const void* a_, void* out_) {
        const T* a = in(a_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = Tr::of(0) - a[i];
    }
    static void scale(size count, const void* a_, u64 k_lo, u64 k_hi, void* out_) {
        const T *a = in(a_), k = Tr::of(k_lo, k_hi);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] * k;
    }
    static void shl(size count, const void* a_, unsigned s, void* out_) {
        const T* a = in(a_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] << s;
    }
    static void shr(size count, const void* a_, unsigned s, void* out_) {
        const T* a = in(a_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] >> s;
    }
    static void low(size count, const void* a_, unsigned m, void* out_) {
        const T *a = in(a_), mask = low_mask<T>(m);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] & mask;
    }
    static void to_float(size count, const void* a_, double unit, double* out) {
        const T* a = in(a_);
        TERCET_EACH out[i] = Tr::to_double(a[i]) * unit;
    }
    static void from_float(size count, const double* a, void* out_) {
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = Tr::of_whole(a[i]);
    }
    static void mul_add(size count, const void* a_, const void* b_, const void* c_, void* out_) {
        const T *a = in(a_), *b = in(b_), *c = in(c_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] * b[i] + c[i];
    }
    static void add_shl(size count, const void* a_, const void* b_, unsigned s, void* out_) {
        const T *a = in(a_), *b = in(b_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = a[i] + (b[i] << s);
    }
};

// The three parties' parts of a product in exchange form (protocols 3.1).
template <class T> struct Product {
    static const T* in(const void* p) { return static_cast<const T*>(p); }

    static void a(size count, const void* x_ad_, const void* x_ab_, const void* y_ad_, const void* y_ab_,
                  const void* mask_, void* out_) {
        const T *x_ad = in(x_ad_), *x_ab = in(x_ab_), *y_ad = in(y_ad_), *y_ab = in(y_ab_), *mask = in(mask_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = x_ab[i] * (y_ab[i] + y_ad[i]) + x_ad[i] * y_ab[i] + mask[i];
    }
    static void b(size count, const void* x_ab_, const void* x_bd_, const void* y_ab_, const void* y_bd_,
                  const void* mask_, void* out_) {
        const T *x_ab = in(x_ab_), *x_bd = in(x_bd_), *y_ab = in(y_ab_), *y_bd = in(y_bd_), *mask = in(mask_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = x_ab[i] * y_bd[i] + x_bd[i] * y_ab[i] + mask[i];
    }
    static void d(size count, const void* x_bd_, const void* x_ad_, const void* y_bd_, const void* y_ad_,
                  const void* m1_, const void* m2_, const void* m3_, void* out_) {
        const T *x_bd = in(x_bd_), *x_ad = in(x_ad_), *y_bd = in(y_bd_), *y_ad = in(y_ad_);
        const T *m1 = in(m1_), *m2 = in(m2_), *m3 = in(m3_);
        T* out = static_cast<T*>(out_);
        TERCET_EACH out[i] = (x_bd[i] + x_ad[i]) * (y_bd[i] + y_ad[i]) - m1[i] - m2[i] - m3[i];
    }
};

// The local parts of truncation by m bits (protocols 4.3, 4.4), with w the bits of the ring and 1 <= m <= w - 3.
template <class T> struct Truncate {
    using Tr = Traits<T>;
    static constexpr unsigned top = Tr::bits - 1;
    static const T* in(const void* p) { return static_cast<const T*>(p); }

    // what A and B add to c so that c + r cannot be negative
    static T offset(unsigned m, bool nonnegative) { return low_mask<T>(nonnegative ? m : Tr::bits - 2); }

    static void d(size count, const void* r_, unsigned m, const void* y_ad0_, const void* a_, void* y_bd0_, void* e_) {
        const T *r = in(r_), *y_ad0 = in(y_ad0_), *a = in(a_), mask = low_mask<T>(m);
        T *y_bd0 = static_cast<T*>(y_bd0_), *e = static_cast<T*>(e_);
        TERCET_EACH {
            const T value = r[i], msb = value >> top, part = (msb - a[i]) & mask;
            y_bd0[i] = (value >> m) - (msb << (Tr::bits - m)) - y_ad0[i];
            e[i] = part;
        }
    }
    static void cross(size count, const void* c_, unsigned m, bool nonnegative, const void* a_, const void* u_,
                      void* out_) {
        const T *c = in(c_), *a = in(a_), *u = in(u_), mask = low_mask<T>(m), shift = offset(m, nonnegative);
        T* out = static_cast<T*>(out_);
        TERCET_EACH {
            const T msb = (c[i] + shift) >> top;
            out[i] = ((a[i] & (Tr::of(0) - msb)) - u[i]) & mask;
        }
    }
    static void pair(size count, const void* c_, unsigned m, bool nonnegative, const void* own_, const void* other_,
                     void* out_) {
        const T *c = in(c_), *own = in(own_), *other = in(other_), shift = offset(m, nonnegative);
        const T constant = nonnegative ? Tr::of(0) : Tr::of(1) - power<T>(Tr::bits - 2 - m);
        T* out = static_cast<T*>(out_);
        TERCET_EACH {
            const T value = c[i] + shift;
            out[i] = (value >> m) + constant + ((own[i] + other[i] - (value >> top)) << (Tr::bits - m));
        }
    }
};

}  // namespace
