#!/usr/bin/env bash
# One share of a run for each task of a Slurm array. Submit it with the three places set:
#   INPUT=/data/export OUTPUT=/data/augmented LABELS=/data/boxes.json sbatch slurm-array.sh
# All of them must lie on storage that every node sees. Add --profile, --variants, --seed or --accept-identity below.
#SBATCH --job-name=medaug
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# With devices, one for each task:
##SBATCH --gres=gpu:1
set -euo pipefail
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
# exec: SIGTERM, which comes two minutes before the end, reaches medaug, which drops its unit and exits with 130.
exec medaug run "${INPUT:?}" --output "${OUTPUT:?}" --annotations "${LABELS:?}" \
  --shard "$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))/${SLURM_ARRAY_TASK_COUNT:?}"
