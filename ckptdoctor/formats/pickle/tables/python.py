"""Python's own names that picklers write, and what they do with each.

Sources: ``copyreg.py``, ``Lib/pickle.py``, and the ``__reduce__`` methods of the standard library
of CPython 3.6 to 3.14.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BUILT", "CALLED", "NAMED"]

_EXCEPTIONS = """
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError
    ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError
    EncodingWarning EnvironmentError Exception ExceptionGroup FileExistsError FileNotFoundError
    FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning
    IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt
    LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError
    OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError
    PythonFinalizationError RecursionError ReferenceError ResourceWarning RuntimeError
    RuntimeWarning StandardError StopAsyncIteration StopIteration SyntaxError SyntaxWarning
    SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError
    UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError
    Warning WindowsError ZeroDivisionError
"""
_PATHS = "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath"
_DATETIME = "date datetime time timedelta timezone tzinfo"
_DECIMAL = "Context Decimal DecimalTuple"
_SIGNALS = """
    Clamped ConversionSyntax DecimalException DivisionByZero DivisionImpossible DivisionUndefined
    FloatOperation Inexact InvalidContext InvalidOperation Overflow Rounded Subnormal Underflow
"""
_ABSTRACT = """
    AsyncGenerator AsyncIterable AsyncIterator Awaitable Buffer ByteString Callable Collection
    Container Coroutine Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView
    MutableMapping MutableSequence MutableSet Reversible Sequence Set Sized ValuesView
"""
_ARITHMETIC = """
    abs add and_ concat contains countOf eq floordiv ge gt index indexOf inv invert is_ is_not le
    lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor
"""
_MATH = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist erf erfc
    exp exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot isclose isfinite isinf isnan
    isqrt lcm ldexp lgamma log log10 log1p log2 modf nextafter perm pow prod radians remainder sin
    sinh sqrt sumprod tan tanh trunc ulp
"""

# What is handed an iterable consumes it at once, and so only literals may be handed to it; what is
# handed a callable keeps it, and so only what may be called: see `formats/pickle/calls.py`.
CALLED: Mapping[str, str] = {
    "builtins": f"""
        bool bytearray bytes complex dict enumerate float frozenset getattr int iter list long
        object range reversed set slice str tuple type unicode zip {_EXCEPTIONS}
    """,
    "collections": "Counter OrderedDict defaultdict deque",
    "copyreg": "__newobj__ __newobj_ex__ _reconstructor",
    "_codecs": "encode",
    "codecs": "encode",
    "array": "_array_reconstructor array",
    "datetime": _DATETIME,
    "_datetime": _DATETIME,
    "_pydatetime": _DATETIME,
    "decimal": _DECIMAL,
    "_decimal": _DECIMAL,
    "_pydecimal": _DECIMAL,
    "fractions": "Fraction",
    "functools": "partial reduce",
    "_functools": "partial reduce",
    "operator": "getitem itemgetter",
    "_operator": "getitem itemgetter",
    "itertools": """
        chain combinations combinations_with_replacement compress count cycle islice pairwise
        permutations product repeat zip_longest
    """,
    "ipaddress": """
        IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network
    """,
    "pathlib": _PATHS,
    "pathlib._local": _PATHS,
    "types": "GenericAlias SimpleNamespace",
    "re": "RegexFlag _compile",
    "time": "struct_time",
    "os": "stat_result statvfs_result terminal_size times_result uname_result",
    "posix": "stat_result statvfs_result terminal_size times_result uname_result",
    "platform": "uname_result",
    "logging": "getLogger",
    "inspect": "Parameter Signature _ParameterKind",
    "random": "Random SystemRandom",
    "signal": "Handlers Sigmasks Signals",
    "http": "HTTPMethod HTTPStatus",
    "socket": "AddressFamily SocketKind",
    "uuid": "SafeUUID",
    "json.decoder": "JSONDecodeError",
    "queue": "Empty Full",
    "_queue": "Empty",
    "subprocess": "CalledProcessError TimeoutExpired",
    "urllib.parse": "DefragResult ParseResult SplitResult",
    "zoneinfo": "ZoneInfo._unpickle",  # by a key, below the folders of time zones
    "_random": "Random",
}

BUILT: Mapping[str, str] = {
    "argparse": "Namespace",
    "collections": "ChainMap UserDict UserList UserString",
    "configparser": """
        BasicInterpolation ConfigParser ConverterMapping ExtendedInterpolation Interpolation
        LegacyInterpolation RawConfigParser SafeConfigParser SectionProxy
    """,
    "contextlib": "nullcontext suppress",
    "dataclasses": "Field _FIELD_BASE _HAS_DEFAULT_FACTORY_CLASS _KW_ONLY_TYPE _MISSING_TYPE",
    "distutils.version": "LooseVersion StrictVersion",
    "io": "BytesIO StringIO",
    "_io": "BytesIO StringIO",
    "json.decoder": "JSONDecoder",
    "json.encoder": "JSONEncoder",
    "logging": """
        Filter Filterer Formatter Handler LogRecord Logger LoggerAdapter Manager NullHandler
        PercentStyle PlaceHolder RootLogger StrFormatStyle StreamHandler StringTemplateStyle
    """,
    "optparse": "Values",
    "statistics": "NormalDist",
    "string": "Template",
    "subprocess": "CompletedProcess",
    "typing": "NewType",
    "uuid": "UUID",
}

NAMED: Mapping[str, str] = {
    # Methods that a parser of settings keeps to convert them.
    "configparser": """
        ConfigParser.getboolean ConfigParser.getfloat ConfigParser.getint SectionProxy.get
        RawConfigParser.getboolean RawConfigParser.getfloat RawConfigParser.getint
    """,
    "builtins": """
        Ellipsis False None NotImplemented True __debug__ abs all any ascii bin callable chr
        classmethod divmod format hasattr hash hex id isinstance issubclass len max min next oct ord
        pow print property repr round sorted staticmethod sum super NoneType ellipsis
    """,
    "abc": "ABC ABCMeta",
    "_abcoll": _ABSTRACT,
    "_collections_abc": _ABSTRACT,
    "collections.abc": _ABSTRACT,
    "cmath": "exp log phase polar rect sqrt",
    "copy": "copy deepcopy",
    "dataclasses": "MISSING",
    "datetime": "timezone.utc",
    "decimal": _SIGNALS,
    "_decimal": _SIGNALS,
    "_pydecimal": _SIGNALS,
    "enum": "Enum EnumMeta EnumType Flag FlagBoundary IntEnum IntFlag StrEnum auto",
    "functools": "cached_property lru_cache partialmethod",
    "inspect": "_empty",
    "json": "dumps loads",
    "math": _MATH,
    "numbers": "Complex Integral Number Rational Real",
    "operator": _ARITHMETIC,
    "_operator": _ARITHMETIC,
    "random": "choice gauss randint random sample shuffle uniform",
    "re": "Pattern Match",
    "string": "capwords",
    "struct": "Struct",
    "_struct": "Struct",
    "time": "monotonic perf_counter process_time time time_ns",
    "types": """
        EllipsisType MappingProxyType NoneType NotImplementedType UnionType
    """,
    "typing": f"""
        AbstractSet Annotated Any AnyStr AsyncContextManager BinaryIO ChainMap ClassVar Concatenate
        ContextManager Counter DefaultDict Deque Dict Final FrozenSet Generic IO List Literal
        LiteralString Match NamedTuple Never NoReturn NotRequired Optional OrderedDict ParamSpec
        Pattern Protocol Required Self SupportsAbs SupportsBytes SupportsComplex SupportsFloat
        SupportsIndex SupportsInt SupportsRound Text TextIO Tuple Type TypeAlias TypeGuard TypeVar
        TypeVarTuple TypedDict Union Unpack {_ABSTRACT}
    """,
    "weakref": "ReferenceType WeakKeyDictionary WeakSet WeakValueDictionary ref",
    "_weakref": "ref",
    "_weakrefset": "WeakSet",
    "zoneinfo": "ZoneInfo",
}
