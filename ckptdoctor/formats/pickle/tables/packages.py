"""Packages of which a function counts as code that stands in no table; of some, a class too.

Those that this project installs, what comes with torch, and what is in wide use beside it. Names
that projects give to modules of their own (``models``, ``utils``, ``datasets``) do not stand here,
nor do packages whose picklers call functions or classes that no table holds, such as jax, pyarrow,
pandas, scikit-learn and torch's extensions for other devices.
"""

from __future__ import annotations

__all__ = ["COMPANIONS", "KNOWN_PACKAGES"]

COMPANIONS = frozenset(
    """
    IPython _distutils_hack _pytest annotated_doc annotated_types click cloudpickle dill filelock
    fsspec functorch hypothesis ipykernel isympy jinja2 junitparser markdown_it markupsafe mdurl
    mpmath mypy mypyc networkx nvidia pip pkg_resources plotille psutil py pydantic pydantic_core
    pygments pytest regex requests rich ruamel safetensors setuptools shellingham sympy torchgen
    triton typer typing_extensions typing_inspection urllib3 yaml zlib_ng
    """.split()
)
"""Where torch or this project is, so are these, and they have no place in a checkpoint."""

KNOWN_PACKAGES = COMPANIONS | frozenset(
    """
    Crypto Cryptodome Cython IPython MySQLdb OpenGL OpenSSL PIL PyQt5 PyQt6 PySide2 PySide6
    SimpleITK _distutils_hack _pytest _yaml absl accelerate addict adlfs aiobotocore
    aiohappyeyeballs aiohttp aiosignal aiosqlite airflow albucore albumentations alembic
    alive_progress altair amqp annotated_doc annotated_types annoy ansible anthropic anyio
    apscheduler ast_serialize asttokens asyncpg attr attrs audioread autobahn autopep8 azure babel
    batchgenerators bayes_opt bcrypt beartype bert_score billiard bitsandbytes blessed bokeh boto3
    botocore bottleneck bs4 bson cachetools caffe2 celery certifi cffi chainer chardet
    charset_normalizer cherrypy clearml click clint cloudpickle cohere colorama coloredlogs
    colorlog colossalai comet_ml comtypes conda configargparse coremltools coverage cryptography
    cssselect ctranslate2 curio curtsies cv2 cython d4rl dagster dateutil debugpy decouple
    deepspeed defusedxml detectron2 diffusers dill diskcache distlib django dm_control dm_tree
    docker dockerpty docopt docutils dotenv duckdb dulwich dvc easydict efficientnet_pytorch
    einops elasticsearch engineio enlighten eventlet execnet executing fabric fairscale fairseq
    fairseq2 faiss faker falcon fastapi faster_whisper fastjsonschema feedparser ffmpeg fickling
    filelock flake8 flash_attn flask flask_cors flit_core freezegun frozenlist fsspec functorch
    fvcore gcsfs gevent gguf gitdb github gitlab google googleapiclient gradio gradio_client
    greenlet grimp grpc gunicorn guppy h11 h5py hatchling hf_xet hnswlib html5lib httpcore
    httpcore2 httplib2 httpx httpx2 huggingface_hub humanfriendly humanize hydra hydra_plugins
    hypercorn hyperopt hypothesis idna ignite imageio imageio_ffmpeg imgaug importlib_metadata
    importlib_resources importlinter iniconfig intel_extension_for_pytorch iopath ipykernel
    ipykernel_launcher ipython_pygments_lexers ipywidgets isort isympy itsdangerous jedi jinja2
    jiwer joblib jsonargparse jsonlines jsonpickle jsonschema jsonschema_specifications
    junitparser jupyter jupyter_client jupyter_core jupyter_server jupyterlab jwt kedro keras kivy
    kombu kornia kornia_rs kubernetes langchain langchain_core leveldb librosa librt lightly
    lightning lightning_fabric lightning_utilities line_profiler llama_cpp llama_index llvmlite
    lmdb loguru luigi lvis lxml mako mamba markdown markdown_it markupsafe matplotlib
    matplotlib_inline mdurl memory_profiler metaflow minigrid mkdocs ml_collections mlflow mmcv
    mmengine modelscan more_itertools moto moviepy mpl_toolkits mpmath msgpack multidict
    multiprocess munch mxnet mypy mypy_extensions mypyc nacl nbclassic nbclient nbconvert nbformat
    neptune nest_asyncio2 networkx nevergrad nnunet nnunetv2 nose nose2 nox numba numcodecs
    numexpr numpydoc nvidia oauth2client oauthlib objgraph omegaconf onnx onnxruntime onnxscript
    onnxsim openai openvino opt_einsum optax optimum optuna orjson packaging paddle papermill
    parameterized paramiko parsel parso pathos pathspec peewee peft pexpect pickleshare pika pip
    pipenv pkg_resources platformdirs playwright plotille plotly pluggy plumbum plyvel poetry
    prefect pretrainedmodels prettytable progressbar prompt_toolkit propcache psutil psycopg
    psycopg2 psycopg_pool ptyprocess pure_eval py pyaml pybind11 pybullet pycocotools pycodestyle
    pycparser pycuda pycurl pydantic pydantic_core pydantic_settings pydub pyfakefs pyflakes
    pygame pygit2 pyglet pygments pyinstrument pylint pymongo pympler pymysql pynvml pyopencl
    pyramid pytest pytest_cov pytorch_lightning pytorch_metric_learning pytz pywintypes pyworld
    pyximport redis referencing regex requests requests_oauthlib requests_toolbelt resampy
    rest_framework rich rocksdb rouge_score rpds ruamel ruff ruptures s3fs s3transfer sacrebleu
    sacremoses safetensors sagemaker sanic scalene scrapy seaborn segmentation_models_pytorch
    selenium sentencepiece sentry_sdk seqeval setuptools sglang shellingham simple_parsing
    simplejson six smart_open snakemake snakeviz sniffio socketio sortedcontainers soundfile
    sphinx sqlalchemy stack_data starlette streamlit structlog sympy tenacity tensorboard
    tensorboardX tensorboard_data_server tensorflow tensorflow_datasets tensorflow_hub
    tensorflow_io tensorflow_probability tensorrt termcolor texttable tf_keras tflite_runtime
    theano threadpoolctl tiktoken timm tokenizers toml tomli tomlkit torch_cluster torch_scatter
    torch_sparse torch_tensorrt torchaudio torchdata torchdiffeq torchgen torchinfo torchio
    torchmetrics torchsde torchsummary torchtyping torchvision torchviz tornado tox tqdm traitlets
    transformer_engine transformers trio triton trl truststore twine twisted typeguard typer
    typing_extensions typing_inspection tyro tzdata tzlocal ujson ultralytics unittest2 urllib3
    uvicorn vcr virtualenv visdom viztracer vllm wandb watchdog wcwidth webrtcvad websocket
    websockets werkzeug wheel widgetsnbextension win32api win32com wrapt wx xdist xmltodict yacs
    yaml yapf yarl zarr zipp zlib_ng zmq zope
    """.split()
)
