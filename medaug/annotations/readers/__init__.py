"""One reader an annotation format; `medaug.annotations.registry` lists them."""
