"""Leads calls of complex functions, which abort in Wine 8, to `complex.c`; for the test bed only."""

import ctypes
import os
import sys

NAMES = (
    "csqrt", "cexp", "clog", "conj", "cproj", "cpow", "cabs", "carg", "creal", "cimag",
    "csin", "ccos", "ctan", "casin", "cacos", "catan", "csinh", "ccosh", "ctanh", "casinh", "cacosh", "catanh",
)  # fmt: skip
PAGE_EXECUTE_READWRITE = 0x40
JUMP_BYTES = 12


def mend() -> None:
    """Overwrite the beginning of each function with a jump (`mov rax, target; jmp rax`)."""
    runtime = ctypes.CDLL("ucrtbase")
    ours = ctypes.CDLL(os.path.join(os.path.dirname(sys.executable), "complex.dll"))
    protect = ctypes.WinDLL("kernel32").VirtualProtect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_ulong, ctypes.POINTER(ctypes.c_ulong)]
    before = ctypes.c_ulong()
    for name in NAMES:
        for suffix in ("", "f", "l"):
            try:
                broken = ctypes.cast(getattr(runtime, name + suffix), ctypes.c_void_p).value
            except AttributeError:
                continue
            # To Microsoft's compiler a long double is a double.
            target = ctypes.cast(getattr(ours, f"our_{name}{suffix.strip('l')}"), ctypes.c_void_p).value
            protect(broken, JUMP_BYTES, PAGE_EXECUTE_READWRITE, before)
            ctypes.memmove(broken, b"\x48\xb8" + target.to_bytes(8, "little") + b"\xff\xe0", JUMP_BYTES)
            protect(broken, JUMP_BYTES, before.value, before)


if sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version"):
    mend()
