"""medaug: augment labelled medical images by solving an inverse problem, with the label kept by construction."""

__version__ = "0.1.0"
