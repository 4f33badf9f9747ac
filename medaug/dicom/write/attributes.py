"""Every attribute that a derived instance does not simply copy, as a table to be read beside the Standard.

What is listed neither here nor in `GROUPS` is copied as the source has it: patient, study, frame of reference,
geometry, acquisition, dose, window and look-up tables.

* copy       stays as it is; listed where that is a decision.
* set        gets the value; a function that answers None leaves the source's.
* append     the value is added to what the source has; a text's function joins both, since they must fit.
* recompute  follows the new pixels.
* drop       is not written: it describes the source's pixels, vouches for them, or belongs to their transport.

Sections are those of PS3.3 unless another part is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medaug.dicom.write import attribute_values
from medaug.dicom.write.attribute_values import Equipment, Value

Rule = Literal["copy", "set", "append", "recompute", "drop"]


@dataclass(frozen=True)
class Row:
    """One attribute.

    Attributes:
        keyword: as in PS3.6.
        rule: see the module.
        section: where the Standard defines it.
        value: literal, or function of the facts; None for copy and drop.
    """

    keyword: str
    rule: Rule
    section: str
    value: str | Value | None = None


# fmt: off
TABLE: tuple[Row, ...] = (
    # A new instance in a new series of the same study
    Row("SOPInstanceUID",                       "set",       "C.12.1", attribute_values.sop_instance_uid),
    Row("InstanceCreationDate",                 "set",       "C.12.1", attribute_values.date),
    Row("InstanceCreationTime",                 "set",       "C.12.1", attribute_values.time),
    Row("SeriesInstanceUID",                    "set",       "C.7.3.1", attribute_values.series_instance_uid),
    Row("SeriesNumber",                         "set",       "C.7.3.1", attribute_values.series_number),
    Row("SeriesDescription",                    "set",       "C.7.3.1", attribute_values.series_description),
    Row("SeriesDate",                           "set",       "C.7.3.1", attribute_values.date),
    Row("SeriesTime",                           "set",       "C.7.3.1", attribute_values.time),
    Row("InstanceNumber",                       "set",       "C.7.6.1", attribute_values.instance_number),
    Row("SOPClassUID",                          "copy",      "C.12.1"),
    Row("StudyInstanceUID",                     "copy",      "C.7.2.1"),
    Row("FrameOfReferenceUID",                  "copy",      "C.7.4.1"),
    Row("ContentDate",                          "copy",      "C.7.6.1"),  # orders images in time, so it stays
    Row("ContentTime",                          "copy",      "C.7.6.1"),

    # Says that it is synthetic, of what, and by whom
    Row("ImageType",                            "set",       "C.7.6.1.1.2", attribute_values.image_type),
    Row("SyntheticData",                        "set",       "C.12.1", attribute_values.synthetic_data),
    Row("ContentQualification",                 "set",       "C.12.1", "RESEARCH"),
    Row("DerivationDescription",                "append",    "C.7.6.1.1.3", attribute_values.derivation_description),
    Row("DerivationCodeSequence",               "append",    "C.7.6.1.1.3", attribute_values.derivation_code),
    Row("SourceImageSequence",                  "set",       "C.7.6.1.1.4", attribute_values.source_image),
    Row("ContributingEquipmentSequence",        "append",    "C.12.1.1.5", attribute_values.contributing_equipment),

    # How large pixels are: a classic copy that was made larger or smaller shows as many mm as its source
    Row("PixelSpacing",                         "set",       "10.7.1.1", attribute_values.spacing("PixelSpacing")),
    Row("ImagerPixelSpacing",                   "set",       "C.8.7.1", attribute_values.spacing("ImagerPixelSpacing")),
    Row("NominalScannedPixelSpacing",           "set",       "C.8.6.2",
        attribute_values.spacing("NominalScannedPixelSpacing")),

    # Pixels go back as stored integers, so what interprets them stays
    Row("BitsAllocated",                        "copy",      "C.7.6.3"),
    Row("BitsStored",                           "copy",      "C.7.6.3"),
    Row("HighBit",                              "copy",      "C.7.6.3"),
    Row("PixelRepresentation",                  "copy",      "C.7.6.3"),
    Row("PhotometricInterpretation",            "copy",      "C.7.6.3"),
    Row("PixelPaddingValue",                    "copy",      "C.7.5.1.1.2"),
    Row("PixelPaddingRangeLimit",               "copy",      "C.7.5.1.1.2"),
    Row("RescaleSlope",                         "copy",      "C.11.1"),
    Row("RescaleIntercept",                     "copy",      "C.11.1"),
    Row("ModalityLUTSequence",                  "copy",      "C.11.1"),
    Row("WindowCenter",                         "copy",      "C.11.2"),
    Row("WindowWidth",                          "copy",      "C.11.2"),
    Row("VOILUTSequence",                       "copy",      "C.11.2"),
    Row("PresentationLUTShape",                 "copy",      "C.11.6"),
    Row("ICCProfile",                           "copy",      "C.11.15"),
    Row("SmallestImagePixelValue",              "recompute", "C.7.6.3", attribute_values.smallest),
    Row("LargestImagePixelValue",               "recompute", "C.7.6.3", attribute_values.largest),
    Row("LossyImageCompression",                "set",       "C.7.6.1.1.5", attribute_values.lossy),
    Row("LossyImageCompressionMethod",          "set",       "C.7.6.1.1.5", attribute_values.lossy_method),
    Row("LossyImageCompressionRatio",           "set",       "C.7.6.1.1.5", attribute_values.lossy_ratio),

    # Statements about the person: medaug is not a de-identifier and knows nothing better than the source
    Row("PatientIdentityRemoved",               "copy",      "C.7.1.1"),
    Row("DeidentificationMethod",               "copy",      "C.7.1.1"),
    Row("DeidentificationMethodCodeSequence",   "copy",      "C.7.1.1"),
    Row("LongitudinalTemporalInformationModified", "copy",   "C.12.1"),
    Row("BurnedInAnnotation",                   "copy",      "C.7.6.1"),
    Row("RecognizableVisualFeatures",           "copy",      "C.7.6.1"),
    Row("ClinicalTrialSponsorName",             "copy",      "C.7.1.3"),
    Row("ClinicalTrialProtocolID",              "copy",      "C.7.1.3"),
    Row("ClinicalTrialSubjectID",               "copy",      "C.7.1.3"),

    # Describes the source's pixels
    Row("IconImageSequence",                    "drop",      "C.7.6.1.1.6"),
    Row("SmallestPixelValueInSeries",           "drop",      "C.7.3.1"),
    Row("LargestPixelValueInSeries",            "drop",      "C.7.3.1"),
    Row("SmallestImagePixelValueInPlane",       "drop",      "PS3.6 (retired)"),
    Row("LargestImagePixelValueInPlane",        "drop",      "PS3.6 (retired)"),
    Row("HistogramSequence",                    "drop",      "C.11.5"),
    Row("SeriesDescriptionCodeSequence",        "drop",      "C.7.3.1"),
    Row("ExtendedOffsetTable",                  "drop",      "C.7.6.3"),  # for encapsulated pixels only
    Row("ExtendedOffsetTableLengths",           "drop",      "C.7.6.3"),
    Row("EncapsulatedPixelDataValueTotalLength", "drop",     "C.7.6.3"),
    Row("PixelDataProviderURL",                 "drop",      "C.7.6.3"),

    # Vouches for the source, or holds what can't be checked
    Row("DigitalSignaturesSequence",            "drop",      "C.12.1.1.3"),  # at every depth
    Row("MACParametersSequence",                "drop",      "C.12.1.1.3"),  # at every depth
    Row("EncryptedAttributesSequence",          "drop",      "C.12.1.1.4"),
    Row("OriginalAttributesSequence",           "drop",      "C.12.1"),      # earlier values, often names
    Row("SOPInstanceStatus",                    "drop",      "C.12.1"),
    Row("SOPAuthorizationDateTime",             "drop",      "C.12.1"),
    Row("SOPAuthorizationComment",              "drop",      "C.12.1"),
    Row("AuthorizationEquipmentCertificationNumber", "drop", "C.12.1"),
    Row("ReferencedPerformedProcedureStepSequence", "drop",  "C.7.3.1"),     # that step didn't make this image

    # Belongs to the source's creation and transport
    Row("InstanceCreatorUID",                   "drop",      "C.12.1"),
    Row("InstanceCoercionDateTime",             "drop",      "C.12.1"),
    Row("InstanceAvailability",                 "drop",      "PS3.4 C.4"),
    Row("RetrieveAETitle",                      "drop",      "PS3.4 C.4"),
    Row("RetrieveURL",                          "drop",      "PS3.4 C.4"),
    Row("StorageMediaFileSetID",                "drop",      "PS3.4 C.4"),
    Row("StorageMediaFileSetUID",               "drop",      "PS3.4 C.4"),
    Row("DataSetTrailingPadding",               "drop",      "PS3.10 7.2"),  # at every depth
)

# General Equipment names what made the instance (C.7.5.1). "standard": that is medaug, and the scanner stands in
# ContributingEquipmentSequence. "simulate" keeps the scanner's, for software that chooses by manufacturer.
EQUIPMENT: dict[Equipment, tuple[Row, ...]] = {
    "standard": (
        Row("Manufacturer",                     "set",       "C.7.5.1", "medaug"),
        Row("ManufacturerModelName",            "set",       "C.7.5.1", "medaug"),
        Row("SoftwareVersions",                 "set",       "C.7.5.1", attribute_values.software_versions),
        Row("StationName",                      "drop",      "C.7.5.1"),  # one scanner's, so false of medaug
        Row("DeviceSerialNumber",               "drop",      "C.7.5.1"),
        Row("DeviceUID",                        "drop",      "C.7.5.1"),
        Row("UDISequence",                      "drop",      "C.7.5.1"),
        Row("ManufacturerDeviceClassUID",       "drop",      "C.7.5.1"),
        Row("GantryID",                         "drop",      "C.7.5.1"),
        Row("DateOfManufacture",                "drop",      "C.7.5.1"),
        Row("DateOfInstallation",               "drop",      "C.7.5.1"),
        Row("DateOfLastCalibration",            "drop",      "C.7.5.1"),
        Row("TimeOfLastCalibration",            "drop",      "C.7.5.1"),
    ),
    "simulate": (
        Row("Manufacturer",                     "copy",      "C.7.5.1"),
        Row("ManufacturerModelName",            "copy",      "C.7.5.1"),
        Row("SoftwareVersions",                 "copy",      "C.7.5.1"),
        Row("StationName",                      "copy",      "C.7.5.1"),
        Row("DeviceSerialNumber",               "copy",      "C.7.5.1"),
    ),
}

# Enhanced CT and MR, and legacy converted ones: in place of the rows above of the same name (PS3.3 C.8.13, C.8.15).
ENHANCED: tuple[Row, ...] = (
    Row("ImageType",                            "set",       "C.8.16.1", attribute_values.enhanced_image_type),
    Row("DerivationDescription",                "copy",      "C.7.6.1.1.3"),  # ours stands with each frame
    Row("DerivationCodeSequence",               "copy",      "C.7.6.1.1.3"),
    Row("SourceImageSequence",                  "copy",      "C.7.6.1.1.4"),
    Row("SourceImageEvidenceSequence",          "append",    "C.8.13.2", attribute_values.source_evidence),
    Row("NumberOfFrames",                       "set",       "C.7.6.16", attribute_values.number_of_frames),
    Row("PulseSequenceName",                    "drop",      "C.8.13.4"),  # of original images only; the next 17, too
    Row("MRAcquisitionType",                    "drop",      "C.8.13.4"),
    Row("EchoPulseSequence",                    "drop",      "C.8.13.4"),
    Row("MultipleSpinEcho",                     "drop",      "C.8.13.4"),
    Row("MultiPlanarExcitation",                "drop",      "C.8.13.4"),
    Row("PhaseContrast",                        "drop",      "C.8.13.4"),
    Row("TimeOfFlightContrast",                 "drop",      "C.8.13.4"),
    Row("ArterialSpinLabelingContrast",         "drop",      "C.8.13.4"),
    Row("SteadyStatePulseSequence",             "drop",      "C.8.13.4"),
    Row("EchoPlanarPulseSequence",              "drop",      "C.8.13.4"),
    Row("SaturationRecovery",                   "drop",      "C.8.13.4"),
    Row("SpectrallySelectedSuppression",        "drop",      "C.8.13.4"),
    Row("OversamplingPhase",                    "drop",      "C.8.13.4"),
    Row("GeometryOfKSpaceTraversal",            "drop",      "C.8.13.4"),
    Row("RectilinearPhaseEncodeReordering",     "drop",      "C.8.13.4"),
    Row("SegmentedKSpaceTraversal",             "drop",      "C.8.13.4"),
    Row("CoverageOfKSpace",                     "drop",      "C.8.13.4"),
    Row("NumberOfKSpaceTrajectories",           "drop",      "C.8.13.4"),
    Row("ConcatenationUID",                     "drop",      "C.7.6.16.2.2.4"),  # the source's: this is no part of it
    Row("SOPInstanceUIDOfConcatenationSource",  "drop",      "C.7.6.16.2.2.4"),
    Row("InConcatenationNumber",                "drop",      "C.7.6.16.2.2.4"),
    Row("InConcatenationTotalNumber",           "drop",      "C.7.6.16.2.2.4"),
    Row("ConcatenationFrameOffsetNumber",       "drop",      "C.7.6.16.2.2.4"),
)
ENHANCED_EQUIPMENT: dict[Equipment, tuple[Row, ...]] = {
    "standard": (Row("DeviceSerialNumber",      "set",       "C.7.5.2", attribute_values.device_serial_number),),
    "simulate": (),
}

# Attributes that come in groups; `derive` holds the code.
GROUPS: dict[str, str] = {
    "private elements (odd groups), at every depth": "drop by default, copy with keep_private (PS3.5 7.8)",
    "group lengths (gggg,0000)":                     "drop (PS3.5 7.2, retired)",
    "curves (50xx,eeee)":                            "drop (retired; can't be checked against the new pixels)",
    "overlay planes (60xx,eeee)":                    "copy while no drawn point lies on a generated pixel, else drop "
                                                     "the plane; drop planes in unused bits of the pixels (C.9.2)",
    "display shutter (0018,1600 to 1624), collimator (0018,1700 to 1720)":
                                                     "copy; drop where the image was moved: they outline the source's "
                                                     "exposure (C.7.6.11, C.8.7.3)",
    "field of view (0018,1149), (0018,7030), (0018,7032), (0018,7034), and overlays":
                                                     "copy; drop of a classic copy: they say how large the source is, "
                                                     "where it lay on the detector, or outline it (C.8.11.4, C.9.2)",
    "FrameType, in every functional group":          "set value 1 to DERIVED, copy the others (C.8.13.3.1, C.8.15.3.1)",
    "DerivationImageSequence, per frame":            "append description, code and source frame; a shared one moves to "
                                                     "the frames (C.7.6.16.2.6)",
    "PerFrameFunctionalGroupsSequence":              "copy those of the unit's frames, in order along the slice normal "
                                                     "(C.7.6.16)",
}
# fmt: on

DROPPED_AT_EVERY_DEPTH = ("DigitalSignaturesSequence", "MACParametersSequence", "DataSetTrailingPadding")


def rows(equipment: Equipment, *, enhanced: bool = False) -> tuple[Row, ...]:
    """The whole table under one policy for General Equipment, for a classic or an Enhanced object."""
    classic = (*TABLE, *EQUIPMENT[equipment])
    if not enhanced:
        return classic
    own = (*ENHANCED, *ENHANCED_EQUIPMENT[equipment])
    replaced = {row.keyword for row in own}
    return (*(row for row in classic if row.keyword not in replaced), *own)
