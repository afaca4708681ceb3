"""What is known to run code in packages that stand in no table.

Of Python, torch, numpy and the known packages everything counts that is not known to be plain; what
stands here is for the rest, and for names that lead to these from elsewhere. Such a list is never
complete: what it is for is to say clearly what is clear.

Sources: the pickle documentation, and the published bypasses of pickle scanners.
"""

from __future__ import annotations

__all__ = ["COME_AND_GONE", "GLOBALS", "METHODS", "MODULES", "MODULES_REACHED"]

COME_AND_GONE = """
    _android_support _apple_support _bootlocale _bootsubprocess _colorize _dummy_thread
    _interpreters _ios_support _pyrepl _remote_debugging _sysconfig _xxsubinterpreters aifc
    annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils
    dummy_threading exceptions imghdr imp lib2to3 macpath mailcap msilib nis nntplib ossaudiodev
    pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
"""
"""Modules that some Python has or had, and the one that reads may not have."""

MODULES = frozenset(
    """
    test.support pip setuptools pkg_resources wheel virtualenv conda requests aiohttp httpx urllib3
    pycurl paramiko fabric.connection invoke.runners plumbum pexpect psutil twisted tornado gunicorn
    joblib ray.cloudpickle cffi Cython pyximport numba mako jsonpickle IPython ipykernel
    jupyter_client nose py.process py._process pytest _pytest popen2 fsspec smart_open boto3
    botocore cloudpickle sh.Command tensorflow.python.ops.gen_io_ops tensorflow.python.ops.io_ops
    tensorflow.python.lib.io tensorflow.python.platform tensorflow.python.ops.script_ops
    tensorflow.io transformers.dynamic_module_utils huggingface_hub sympy.parsing
    scipy._lib.deprecation scipy.datasets scipy.io._fast_matrix_market scipy.io._fortran
    scipy.io._harwell_boeing.hb scipy.io._idl scipy.io._mmio scipy.io._netcdf scipy.io.arff
    scipy.io.matlab._mio scipy.io.netcdf scipy.io.wavfile scipy.sparse._matrix_io
    sympy.core.sympify hydra.utils hydra._internal.utils detectron2.config.lazy yaml ruamel.yaml
    """.split()
)
"""Every function of these starts programs, opens files or sockets, imports, unpickles or evaluates.

Of Python's own none stand here: what is not plain in them counts anyway.
"""

GLOBALS = frozenset(
    """
    builtins.eval builtins.exec builtins.execfile builtins.compile builtins.open builtins.file
    builtins.input builtins.raw_input builtins.__import__ builtins.breakpoint builtins.setattr
    builtins.delattr builtins.globals builtins.locals builtins.vars argparse.FileType
    typing.ForwardRef operator.attrgetter operator.methodcaller operator.call _operator.attrgetter
    _operator.methodcaller _operator.call io.open io.open_code io.FileIO _io.open _io.open_code
    _io.FileIO codecs.open types.FunctionType types.CodeType types.LambdaType types.MethodType
    types.ModuleType code.interact code.InteractiveInterpreter code.InteractiveConsole
    dill._dill._create_code dill._dill._create_function dill._dill._create_type
    dill._dill._import_module dill.loads dill.load dill._dill._eval_repr dill._dill._get_attr
    dill._dill.load_session dill._dill.loads dill._dill.load dill.session.load_module
    torch.load torch.save torch.hub.load torch.storage._load_from_bytes numpy.load
    pandas.read_pickle pandas.io.pickle.read_pickle pandas.io.common.get_handle pandas.eval
    pandas.core.computation.eval.eval numexpr.evaluate numexpr.necompiler.evaluate sympy.sympify
    scipy.io.loadmat scipy.io.savemat scipy.io.FortranFile scipy.io.netcdf_file scipy.io.hb_read
    scipy.io.hb_write scipy.io.mmread scipy.io.mmwrite scipy.io.readsav scipy.io.whosmat
    scipy.io.matlab.loadmat scipy.io.matlab.savemat scipy.sparse.load_npz scipy.sparse.save_npz
    fickling.pickle.loads keras.src.layers.core.lambda_layer.Lambda
    keras.layers.Lambda jinja2.environment.Template jinja2.Template omegaconf.OmegaConf.load
    omegaconf.OmegaConf.save h5py.File h5py._hl.files.File mmengine.config.config.Config.fromfile
    mmcv.utils.config.Config.fromfile
    """.split()
)
"""By their dotted names, or the end of one."""

MODULES_REACHED = frozenset(
    """
    os sys subprocess builtins posix importlib ctypes shutil pickle marshal runpy pty socket
    tempfile _os _sys _subprocess _builtins _ctypes _socket _posixsubprocess
    """.split()
)
"""Whatever leads through one of these, or to it, reaches what it holds."""

METHODS = frozenset(
    """
    tofile dump dump_session save write write_text write_bytes touch unlink rmdir rename replace
    symlink_to hardlink_to mkdir chmod
    open system popen spawn exec eval runcode runsource load_library
    from_file fromfile to_pickle to_csv extractall extract from_pretrained save_pretrained
    push_to_hub load load_from_checkpoint load_checkpoint load_state_dict_from_url loads loadtxt
    read_text read_bytes run start_process retrieve urlretrieve download from_url
    lchmod link_to load_bytes read read_array read_mmap save_to_json tm_to_coco to_json_file to_yaml
    write_array _handle_spike _link_checkpoint _save_aot_compiled_module _save_checkpoint
    ag_frame cr_frame f_back f_builtins f_globals f_locals func_globals gi_frame tb_frame
    """.split()
)
"""What objects write, load or start with, by the names of their methods; and their frames."""
