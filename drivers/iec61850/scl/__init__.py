"""SCL (IEC 61850-6): ICD, CID, IID, SCD of editions 1, 2 and 2.1."""

from .document import Document, Ied, read

__all__ = ["Document", "Ied", "read"]
