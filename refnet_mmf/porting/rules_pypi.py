"""The rules for the newest MMF of the package index: 1.0.0rc10, of August 2020."""

from refnet_mmf.porting import rules_common
from refnet_mmf.porting.rule import Rule

VERSION = "1.0.0rc10"

# Compiled for Python 3.6 and 3.8, so that no other can load them. PHOC features alone need them.
DROPPED = (
    "mmf/utils/phoc/cphoc.so",
    "mmf/utils/phoc/cphoc.cpython-36m-x86_64-linux-gnu.so",
    "mmf/utils/phoc/cphoc.cpython-38-x86_64-linux-gnu.so",
)

_CONFIGURATION = "mmf/utils/configuration.py"
_CHECKPOINT = "mmf/utils/checkpoint.py"
_LOGGER = "mmf/utils/logger.py"
_METRICS = "mmf/modules/metrics.py"
_TRAINER = "mmf/trainers/base_trainer.py"

_MODULES = "transformers 4 moved its modules"
_LAYER_NORM = "transformers 3 dropped its second name for torch.nn.LayerNorm"
_ADAMW = "transformers retired its AdamW; torch's takes its place, with the old one's defaults"
_DEMJSON = "demjson does not install on a current Python; --config_override takes JSON"
_COLLECTIONS = "Python 3.10 keeps the abstract classes in collections.abc only"
_OMEGACONF = "omegaconf 2.1 renamed register_resolver, pretty and ${env:}"
_KEY_MISSING = "omegaconf 2.1 raises where a key is missing, 2.0 gave None"
_CUDA = "a hard-coded .cuda() stops every run on a CPU"
_TENSORBOARD = "a run with training.tensorboard could hang for ever after its last line"
_AVERAGE_PRECISION = "micro_ap and macro_ap computed the area under the ROC curve"
_PATH_WORDS = (
    "in an environment whose path holds the word 'models' or 'trainer' nothing could be imported"
)

RULES = (
    Rule(
        (
            "mmf/modules/layers.py",
            "mmf/modules/embeddings.py",
            "mmf/models/m4c.py",
            "mmf/models/mmf_bert.py",
            "mmf/models/mmbt.py",
            "mmf/models/visual_bert.py",
            "mmf/models/vilbert.py",
        ),
        "transformers.modeling_bert",
        "transformers.models.bert.modeling_bert",
        1,
        _MODULES,
    ),
    Rule(
        ("mmf/modules/layers.py",),
        "transformers.configuration_bert",
        "transformers.models.bert.configuration_bert",
        1,
        _MODULES,
    ),
    Rule(
        ("mmf/modules/encoders.py",),
        "from transformers.configuration_auto import",
        "from transformers import",
        1,
        _MODULES,
    ),
    Rule(
        ("mmf/modules/encoders.py",),
        "from transformers.modeling_auto import",
        "from transformers import",
        1,
        _MODULES,
    ),
    Rule(
        ("mmf/datasets/processors/bert_processors.py",),
        "from transformers.tokenization_auto import",
        "from transformers import",
        1,
        _MODULES,
    ),
    Rule(
        ("mmf/models/m4c.py", "mmf/models/mmf_bert.py", "mmf/models/vilbert.py"),
        "    BertLayerNorm,\n",
        "",
        1,
        _LAYER_NORM,
    ),
    Rule(("mmf/models/m4c.py",), "BertLayerNorm", "nn.LayerNorm", 7, _LAYER_NORM),
    Rule(("mmf/models/mmf_bert.py",), "BertLayerNorm", "nn.LayerNorm", 1, _LAYER_NORM),
    Rule(("mmf/models/vilbert.py",), "BertLayerNorm", "nn.LayerNorm", 6, _LAYER_NORM),
    Rule(
        ("mmf/modules/optimizers.py",),
        "from transformers.optimization import AdamW\n",
        "from functools import partial\n\nfrom torch.optim import AdamW\n",
        1,
        _ADAMW,
    ),
    Rule(
        ("mmf/modules/optimizers.py",),
        "(AdamW)",
        "(partial(AdamW, eps=1e-6, weight_decay=0.0))",
        1,
        _ADAMW,
    ),
    Rule((_CONFIGURATION,), "import demjson\n", "", 1, _DEMJSON),
    Rule((_CONFIGURATION,), "demjson.decode(", "json.loads(", 1, _DEMJSON),
    Rule(
        (_CONFIGURATION,),
        """\
        self._default_config = self._build_default_config()

        if default_only:
""",
        """\
        self._default_config = self._build_default_config()
        if not default_only:
            registry.register("configuration", self)

        if default_only:
""",
        1,
        "a user's model could not see the command while MMF asked it for its default "
        "configuration; now as on main",
    ),
    Rule((_LOGGER,), "import collections\n", "import collections.abc\n", 1, _COLLECTIONS),
    Rule((_LOGGER,), "collections.Mapping", "collections.abc.Mapping", 1, _COLLECTIONS),
    Rule((_CONFIGURATION,), "register_resolver(", "register_new_resolver(", 3, _OMEGACONF),
    Rule(("mmf/configs/defaults.yaml",), "${env:", "${oc.env:", 7, _OMEGACONF),
    Rule(("mmf/configs/defaults.yaml",), ",}", ",''}", 4, rules_common.EMPTY_DEFAULT),
    Rule(
        (_CHECKPOINT,),
        "self.config.pretty(resolve=True)",
        "OmegaConf.to_yaml(self.config, resolve=True)",
        1,
        _OMEGACONF,
    ),
    Rule(
        (_CONFIGURATION,),
        "dataset = config.dataset\n",
        'dataset = config.get("dataset", None)\n',
        1,
        _KEY_MISSING,
    ),
    Rule(
        (_CONFIGURATION,),
        "datasets = config.datasets\n",
        'datasets = config.get("datasets", None)\n',
        1,
        _KEY_MISSING,
    ),
    Rule(
        (_CONFIGURATION,),
        "if config.learning_rate:",
        'if config.get("learning_rate", None):',
        1,
        _KEY_MISSING,
    ),
    Rule(
        (_CHECKPOINT,),
        "torch.load(",
        "_load_file(",
        3,
        rules_common.SAFE_LOAD,
    ),
    Rule(("mmf/models/vilbert.py",), ".cuda()", '.to(sample_list["input_ids"].device)', 6, _CUDA),
    Rule(
        ("mmf/models/visual_bert.py",), ".cuda()", '.to(sample_list["input_ids"].device)', 1, _CUDA
    ),
    Rule(("mmf/modules/embeddings.py",), ".cuda()", ".to(visual_embeddings.device)", 2, _CUDA),
    Rule(
        ("mmf/models/fusions.py",),
        "sample_list.image_features_0",
        "sample_list.image_feature_0",
        1,
        "concat_bert asked the batch for a field that no data set fills, and stopped",
        "mend",
    ),
    Rule(
        ("mmf/models/fusions.py",),
        "if len(text) == 2:",
        "if not isinstance(text, torch.Tensor) and len(text) >= 2:",
        1,
        "a batch of two samples was taken for the two outputs of a text encoder",
        "mend",
    ),
    Rule(
        (_METRICS,),
        "class MultiLabelMacroF1(F1):",
        "class MultiLabelMacroF1(MultiLabelF1):",
        1,
        "multilabel_macro_f1 took the one highest score of a sample for its labels",
        "mend",
    ),
    Rule(
        (_METRICS,),
        "class MicroAP(ROC_AUC):",
        "class MicroAP(AveragePrecision):",
        1,
        _AVERAGE_PRECISION,
        "mend",
    ),
    Rule(
        (_METRICS,),
        "class MacroAP(ROC_AUC):",
        "class MacroAP(AveragePrecision):",
        1,
        _AVERAGE_PRECISION,
        "mend",
    ),
    Rule(
        (_METRICS,),
        """\
                metric = metric.type
                params = getattr(metric, "params", {})
""",
        """\
                params = getattr(metric, "params", {})
                metric = metric.type
""",
        1,
        "a metric's params were thrown away",
        "mend",
    ),
    Rule(
        (_TRAINER,),
        "if self.num_updates > self.max_updates:",
        "if self.num_updates >= self.max_updates:",
        1,
        "a run made one update more than training.max_updates",
        "mend",
    ),
    Rule(
        (_TRAINER,),
        "torch.autograd.set_detect_anomaly(True)",
        'torch.autograd.set_detect_anomaly(self.training_config.get("detect_anomaly", False))',
        1,
        "anomaly detection, meant for debugging and slow, was always on; now as on main: "
        "training.detect_anomaly",
        "mend",
    ),
    Rule(
        (_TRAINER,),
        """\
        self._run_scheduler()
        self.num_updates += 1
""",
        """\
        self.num_updates += 1
        self._run_scheduler()
""",
        1,
        "the learning rate lagged its schedule by one update; now as on main",
        "mend",
    ),
    Rule(
        (_TRAINER,),
        """\
            self.lr_scheduler = build_scheduler(self.optimizer, self.config)
""",
        """\
            self.lr_scheduler = build_scheduler(self.optimizer, self.config)
            if self.num_updates > 0:
                self._run_scheduler()
""",
        1,
        "a resumed run made its first update with the learning rate of update 0",
        "mend",
    ),
    Rule(
        (_CHECKPOINT,),
        """\
            self.trainer.early_stopping.init_from_checkpoint(ckpt)

            self.trainer.writer.write("Checkpoint loaded")

            reset_counts = ckpt_config.reset.all or ckpt_config.reset.counts

            if not reset_counts:
                self._load_counts(ckpt)
""",
        """\
            self.trainer.writer.write("Checkpoint loaded")

            reset_counts = ckpt_config.reset.all or ckpt_config.reset.counts

            if not reset_counts:
                self.trainer.early_stopping.init_from_checkpoint(ckpt)
                self._load_counts(ckpt)
""",
        1,
        "with checkpoint.reset.all the old run's best value stayed the bar, so that a new run "
        "might never save a best model; now as on main",
        "mend",
    ),
    Rule((_LOGGER,), "import json\n", "import atexit\nimport json\n", 1, _TENSORBOARD, "mend"),
    Rule(
        (_LOGGER,),
        """\
            self.summary_writer = SummaryWriter(tensorboard_folder)

    def __del__(self):
        if getattr(self, "summary_writer", None) is not None:
            self.summary_writer.close()
""",
        """\
            self.summary_writer = SummaryWriter(tensorboard_folder)
            atexit.register(self.summary_writer.close)
""",
        1,
        _TENSORBOARD,
        "mend",
    ),
    Rule(
        (_CONFIGURATION,),
        'opt.split("=")',
        'opt.split("=", 1)',
        1,
        "an override whose value holds an equals sign stopped the run",
        "mend",
    ),
    Rule(
        (_CONFIGURATION,),
        """\
                    if not isinstance(
                        current_value,
                        (collections.abc.Mapping, collections.abc.Sequence),
                    ):
""",
        """\
                    if idx == len(splits) - 1:
""",
        1,
        "an override such as losses[0]=focal was dropped without a word",
        "mend",
    ),
    Rule(
        ("mmf/datasets/builders/visual_entailment/dataset.py",),
        """\
        current_sample.targets = torch.tensor(label, dtype=torch.long)

        return current_sample
""",
        """\
        current_sample.targets = torch.tensor(label, dtype=torch.long)

        return current_sample

    def format_for_prediction(self, report):
        return []
""",
        1,
        "evaluation.predict on SNLI-VE stopped, asking for answers of questions; now as on main",
        "mend",
    ),
    Rule(
        ("mmf/utils/env.py",),
        'f.find("models") != -1',
        "f.startswith(model_folder)",
        1,
        _PATH_WORDS,
        "mend",
    ),
    Rule(
        ("mmf/utils/env.py",),
        'f.find("trainer") != -1',
        "f.startswith(trainer_folder)",
        1,
        _PATH_WORDS,
        "mend",
    ),
    Rule(
        ("mmf/utils/build.py",),
        'params = getattr(optimizer_config, "params", {})',
        'params = OmegaConf.to_container(optimizer_config, resolve=True).get("params", {})',
        1,
        rules_common.PLAIN_OPTIMIZER,
    ),
    Rule(
        (_TRAINER,),
        "        iterations_left = self.max_updates - self.num_updates\n",
        "        if self.max_updates == math.inf:\n"
        '            return "unknown"\n'
        "        iterations_left = self.max_updates - self.num_updates\n",
        1,
        "training.max_epochs stopped every run at its first line of progress",
        "mend",
    ),
    Rule(
        ("mmf/utils/distributed.py",),
        "dist.all_reduce(torch.zeros(1).cuda())",
        "zeros = torch.zeros(1)\n"
        "        dist.all_reduce(zeros.cuda() if torch.cuda.is_available() else zeros)",
        1,
        rules_common.RANKS_WITHOUT_GPU,
        "mend",
    ),
    *rules_common.RULES,
)
