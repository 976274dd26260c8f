/* What Wine 8's C runtime lacks of <complex.h>; sitecustomize.py puts it in place. */
#include <complex.h>

typedef struct { double re, im; } wide; /* as Microsoft's compiler passes complex numbers */
typedef struct { float re, im; } narrow;

#define EXPORT __declspec(dllexport)
#define GET(z) (__builtin_complex((double)(z).re, (double)(z).im))
#define PUT(type, value) double complex v = (value); type r = { creal(v), cimag(v) }; return r

#define FROM_ONE(name) \
    EXPORT wide our_##name(wide z) { PUT(wide, name(GET(z))); } \
    EXPORT narrow our_##name##f(narrow z) { PUT(narrow, name(GET(z))); }
#define TO_REAL(name) \
    EXPORT double our_##name(wide z) { return name(GET(z)); } \
    EXPORT float our_##name##f(narrow z) { return (float)name(GET(z)); }

FROM_ONE(csqrt) FROM_ONE(cexp) FROM_ONE(clog) FROM_ONE(conj) FROM_ONE(cproj)
FROM_ONE(csin) FROM_ONE(ccos) FROM_ONE(ctan) FROM_ONE(casin) FROM_ONE(cacos) FROM_ONE(catan)
FROM_ONE(csinh) FROM_ONE(ccosh) FROM_ONE(ctanh) FROM_ONE(casinh) FROM_ONE(cacosh) FROM_ONE(catanh)
TO_REAL(cabs) TO_REAL(carg) TO_REAL(creal) TO_REAL(cimag)

EXPORT wide our_cpow(wide z, wide power) { PUT(wide, cpow(GET(z), GET(power))); }
EXPORT narrow our_cpowf(narrow z, narrow power) { PUT(narrow, cpow(GET(z), GET(power))); }
