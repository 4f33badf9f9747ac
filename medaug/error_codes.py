"""Every code that a record, a skip or a refusal may carry, with what it means and what to do.

Frozen: a code is never given another meaning, and none is taken away. Annotations that fit no image have the codes of
`annotations.registry.SENTENCES`, and what `medaug verify` finds those of `verification.faults.CODES`.
``docs/reference/codes.md`` is made of all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        # files that never were an image to augment
        "archive": "An archive that is not opened here; unpack it beside the other files.",
        "dicomdir": "An index of a medium; the files that it lists are found by themselves.",
        "duplicate": "The same image content was found twice; one copy is used.",
        "duplicate-file": "A copy of another file, byte by byte; one copy is used.",
        "empty": "The file holds no byte.",
        "nested-archive": "A zip archive inside another one; unpack it beside the other files.",
        "label-map": "A label map beside the image that it is named like; give it with --annotations.",
        "localizer": "An overview for planning, not part of a volume.",
        "not-a-file": "A link, pipe, socket or device; only regular files are opened, and links are not followed.",
        "not-an-image": "A DICOM object without pixels to augment: report, document, segmentation, plan.",
        "not-dicom": "Neither DICOM nor another format that is read.",
        "other-modality": "The profile is for other modalities; choose a profile that names this one.",
        # files whose structure can't be trusted
        "archive-entry": "An entry of a zip archive whose name or packing no export has; pack it again.",
        "damaged": "The structure of the file is damaged; export it again.",
        "deflate-bomb": "A few deflated bytes hold an absurd number of them; export it without deflate.",
        "encrypted": "An entry of a zip archive is encrypted; unpack it with its password.",
        "nesting": "Sequences lie deeper in each other than any real object's.",
        "too-large": "The file, or the image that it declares, is larger than is ever needed.",
        "too-many-elements": "More data elements or items than 1 GiB holds, or fragments than any real object has.",
        "truncated": "The file ends before what it declares; copy it again.",
        "unreadable": "The file can't be read or parsed; check the disk, or export it again.",
        "zip-bomb": "A zip archive claims to hold an absurd number of bytes; unpack it if it is true.",
        # attributes
        "bad-value": "An attribute holds a value that can't be used; export the series again.",
        "burned-in": "The pixels are said to hold text about the patient; remove it and add code 113101.",
        "missing-attribute": "An attribute that is needed is missing; export the series with it.",
        "modality-lut": "A table from stored values to units neither rises nor falls throughout; it can't be undone.",
        "padding-range": "The padding value lies outside what the stored bits can hold.",
        "subtraction": "A mask is to be subtracted before display; export the subtracted image.",
        "two-patients": "One study names several patients; correct it where it was stored.",
        "uid-conflict": "Different files hold one SOP Instance UID; export the study again.",
        "unsupported-class": "An object class that is not handled.",
        # pixels
        "codec": "Nothing installed decodes the transfer syntax; the message names the package, or export it plain.",
        "codestream-size": "The compressed image has another size than the header says.",
        "colour": "A colour image; export it in grey.",
        "decoder-died": "The process that decodes died of this image; export it again.",
        "decoder-limits": "Decoding takes more memory or processor time than one image may have; export it plain.",
        "functional-groups": "The groups that say where each frame lies are missing or don't fit the frames.",
        "mosaic": "Several images side by side in one picture; export single slices or an Enhanced object.",
        "multi-frame": "Several frames that nothing places, or that can't be followed; export single frames.",
        "no-pixels": "An image object without pixel data; export the image itself.",
        "palette": "The stored numbers are indices of colours, not grey levels.",
        "pixel-length": "There are more pixel bytes than the header says; export it again.",
        "pixels": "The pixel data can't be decoded; export the image again.",
        "unsupported-encoding": "The pixel cells are laid out as no grey image's are.",
        # volumes
        "duplicate-position": "Several slices lie at one place and nothing tells them apart; export them apart.",
        "gantry-tilt": "The stack is sheared; run the series slice by slice.",
        "missing-slice": "The stack has a gap; export the series again.",
        "mixed-frame-of-reference": "The slices differ in Frame of Reference; export them apart.",
        "mixed-orientation": "The slices differ in orientation; export each plane as a series of its own.",
        "mixed-series": "The slices differ in patient, size, encoding or units; export each as a series of its own.",
        "mixed-spacing": "The slices differ in pixel spacing; export each as a series of its own.",
        "orientation": "The stated directions are not two orthogonal unit vectors; export the series again.",
        "shifted-slices": "The slices are shifted in the plane against each other; run the series slice by slice.",
        "uneven-spacing": "The slices lie at uneven distances; run the series slice by slice.",
        # NIfTI
        "nifti-affine": "The file doesn't say, or says two things about, where its voxels lie.",
        "nifti-bomb": "A few compressed bytes hold an absurd number of voxels; save it without compression.",
        "nifti-dimensions": "The file doesn't have three dimensions of at least one voxel.",
        "nifti-header": "Not a single-file NIfTI-1 header, or one that contradicts itself.",
        "nifti-spacing": "A voxel size is not above 0 mm.",
        "nifti-too-large": "The header declares more voxels than are ever needed.",
        "nifti-truncated": "The file ends before the voxels that its header declares; copy it again.",
        "nifti-type": "A voxel type that is not handled; convert it.",
        "nifti-values": "Voxels are NaN or infinite; replace them.",
        # NRRD
        "nrrd-bomb": "A few compressed bytes hold an absurd number of voxels; save it without compression.",
        "nrrd-detached": "The voxels lie in another file; save it as one.",
        "nrrd-dimensions": "The file doesn't have three axes of space with one value per voxel.",
        "nrrd-encoding": "The voxels are neither raw nor gzipped; save them so.",
        "nrrd-header": "Not an NRRD header, or one with fields that are not handled.",
        "nrrd-space": "The file doesn't say where its voxels lie in the patient, in mm and at right angles.",
        "nrrd-too-large": "The header declares more voxels than are ever needed.",
        "nrrd-truncated": "The file holds fewer or more voxels than its header declares; copy it again.",
        "nrrd-type": "A voxel type that is not handled; convert it.",
        "nrrd-values": "Voxels are NaN or infinite; replace them.",
        # PNG, JPEG and TIFF
        "alpha": "Parts of the picture are transparent; save it without an alpha channel.",
        "turned": "The picture's orientation tag turns it, and whether boxes follow isn't known; save it upright.",
        # identity and labels
        "annotation": "An annotation file is malformed or contradicts its image.",
        "annotation-format": "No reader knows the format of an annotation file; name it with --format.",
        "annotation-limits": "Reading an annotation takes more memory or time than a file of its size may have.",
        "grid-differs": "A label map doesn't lie on its image's voxels; resample it.",
        "identity": "Nothing says that the patient's identity was removed; see --accept-identity.",
        "no-boxes": "There is no usable label, so there is nothing to keep.",
        "unplaced-box": "An annotation may lie on the image but couldn't be placed, so the image is left out.",
        # regions and results
        "box-outside": "A box reaches outside its image.",
        "no-donor": "No lesion of another image has surroundings like a place of this one; give more images.",
        "no-place": "The lesion can't be set into this image: they are too unlike, or no place in its domain fits.",
        "no-room": "An image or its lesion can't be moved within the profile's limits without cutting the box.",
        "not-planar": "The profile's law is for radiographs and pictures; choose one that moves nothing.",
        "not-whole": "The profile's law is for whole numbers of up to 16 bits; choose another law.",
        "no-spacing": "A length in mm is asked for where the image states no pixel spacing.",
        "part-unknown": "A part of the profile's domain (bone, lung, brain) can't be told on images of this kind.",
        "nothing-free": "The domain and the boxes cover the image: nothing may change.",
        "nothing-kept": "Nothing would be kept.",
        "padding": "The variant holds the padding value where the source has none.",
        "protected-changed": "The variant differs from its source where it is protected.",
        "quality": "The variant failed a check of the quality gate; the message holds its figures.",
        "regions": "The regions leave nothing to generate, or nothing to keep.",
        # decisions, in index.html alone: the record in the ledger stays that of a written unit
        "files-removed": "The files went with a rejection that was taken back since; run again to make them.",
        "left-out": "A reader or a rule rejected the variant; `medaug decisions list` says why.",
        "not-accepted": "The profile lists accepted variants only, and nobody accepted this one.",
        # writing
        "big-endian-words": "The source's private or unknown big-endian words can't be written again.",
        "evidence": "The evidence object can't state this variant.",
        "grid": "The variant doesn't lie on its source's grid.",
        "header": "The source's header can't be written again.",
        "not-read-back": "What was written didn't read back equal; check the disk.",
        "sop-class": "No rule says how to derive an object of this class.",
        "source-changed": "The source's file changed since it was read.",
        "source-differs": "The source's pixels are not those that were read.",
        "stored-range": "The variant holds values that the source's bits can't.",
        "write": "The derived instance would not be valid, so it was not written.",
        # runs
        "crashed": "An unexpected error; the message says where in the code. Please report it.",
        "empty-input": "INPUT holds nothing that can be used.",
        "input-changed": "INPUT changed while the run was on; give the same command again.",
        "refused": "A run would stop at this image; the sentence beside it says why.",
        "no-input": "There is no such file or folder, or it holds no file.",
        "out-of-memory": "The device's memory doesn't hold the smallest batch.",
        "source-missing": "No file of the given source has the recorded digest.",
        "source-unusable": "The source can't be used.",
        "time-limit": "Reading or writing it takes more processor time than an image of its size may have.",
        "worker-died": "Workers died over this unit, most often for lack of memory; it is left alone.",
    }
)
