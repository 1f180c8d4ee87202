"""Files, safetensors, random numbers and errors: what everything else stands on."""
