// Sums, prefix sums and segmented sums along the middle axis of (outer, n, inner).
#pragma once
#include "words.hpp"

namespace {

template <class T> struct Sums {
    static void rows(size n, size inner, const T* a, T* out) {
        if (inner == 1) {
            T total = Traits<T>::of(0);
            for (size i = 0; i < n; ++i) total = total + a[i];
            out[0] = total;
            return;
        }
        for (size j = 0; j < inner; ++j) out[j] = Traits<T>::of(0);
        for (size i = 0; i < n; ++i, a += inner) {
            _Pragma("GCC ivdep") for (size j = 0; j < inner; ++j) out[j] = out[j] + a[j];
        }
    }
    static void sum(size outer, size n, size inner, const void* a, void* out) {
        for (size o = 0; o < outer; ++o)
            rows(n, inner, static_cast<const T*>(a) + o * n * inner, static_cast<T*>(out) + o * inner);
    }
    static void cumsum(size outer, size n, size inner, const void* a_, void* out_) {
        const T* a = static_cast<const T*>(a_);
        T* out = static_cast<T*>(out_);
        for (size o = 0; o < outer; ++o) {
            for (size i = 0; i < n; ++i, a += inner, out += inner) {
                if (i == 0)
                    for (size j = 0; j < inner; ++j) out[j] = a[j];
                else
                    for (size j = 0; j < inner; ++j) out[j] = *(out + j - inner) + a[j];
            }
        }
    }
};

}  // namespace
