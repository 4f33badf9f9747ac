"""WongKinYiu/yolov7 as the detector of `medaug benchmark`; yours to fetch (GPL-3), medaug doesn't carry it.

medaug benchmark EXPORT -a boxes.json -o BENCH --detector command --detector-command \
  "python examples/benchmark_yolov7.py YOLOV7 {data} {project} --steps {steps} --stage {stage} --seed {seed} --size 320"
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

SEEDED = """import runpy, sys, utils.general as general
seeded = general.init_seeds
general.init_seeds = lambda seed=0: seeded({seed})  # train.py knows one seed only
sys.argv[0] = 'train.py'
runpy.run_path('train.py', run_name='__main__')"""


def main(given: argparse.Namespace) -> None:
    told = yaml.safe_load(given.data.read_text())
    parts = {part: str(given.data.parent / told[part]) for part in ("train", "val", "test")}
    names = [told["names"][key] for key in sorted(told["names"])]
    data = given.data.with_name("yolov7.yaml")
    data.write_text(yaml.safe_dump({**parts, "nc": len(names), "names": names}))
    epochs = max(1, round(given.steps * given.batch / len(list(Path(parts["train"]).iterdir()))))
    before = given.project / f"stage{given.stage - 1}" / "weights" / "last.pt"
    common = ["--device", "cpu" if given.cpu else "0", "--data", str(data), "--project", str(given.project)]
    call(given, ["-c", SEEDED.format(seed=given.seed), *common, "--name", f"stage{given.stage}",
                 "--weights", str(before) if before.exists() else "", "--cfg", f"cfg/training/{given.model}.yaml",
                 "--hyp", given.hyp, "--epochs", str(epochs), "--batch-size", str(given.batch),
                 "--img-size", str(given.size), str(given.size), "--workers", "0", "--noautoanchor"])  # fmt: skip
    weights = given.project / f"stage{given.stage}" / "weights" / "last.pt"
    call(given, ["test.py", *common, "--name", "test", "--exist-ok", "--weights", str(weights), "--task", "test",
                 "--img-size", str(given.size), "--batch-size", "16", "--save-json", "--no-trace"])  # fmt: skip
    found = json.loads((given.project / "test" / "last_predictions.json").read_text())
    predictions = [one | {"category_id": one["category_id"] + 1, "image_id": f"{one['image_id']:05}"} for one in found]
    (given.project / "predictions.json").write_text(json.dumps(predictions))
    lines = (given.project / f"stage{given.stage}" / "results.txt").read_text().splitlines()
    rows = [(float(w[2]), float(w[3]), float(w[10])) for w in (line.split() for line in lines)]
    curve = [
        {"step": round((n + 1) * given.steps / epochs), "box_loss": box, "objectness_loss": objectness, "ap50": ap}
        for n, (box, objectness, ap) in enumerate(rows)
    ]
    (given.project / "curve.json").write_text(json.dumps(curve))


def call(given: argparse.Namespace, words: list[str]) -> None:
    done = subprocess.run([sys.executable, *words], cwd=given.yolov7, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # what it said last stands in the benchmark's error, and no traceback of this file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("yolov7", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("project", type=Path)
    for name, default in (("steps", 400), ("stage", 0), ("seed", 0), ("size", 640), ("batch", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--model", default="yolov7-tiny")
    parser.add_argument("--hyp", default="data/hyp.scratch.tiny.yaml")
    parser.add_argument("--cpu", action="store_true")
    main(parser.parse_args())
