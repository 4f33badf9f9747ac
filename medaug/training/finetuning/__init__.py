"""Fine-tuning a model in diffusers' layout: LoRA and textual inversion."""
