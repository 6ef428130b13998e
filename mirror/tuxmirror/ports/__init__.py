"""What the use-cases need from the world. Adapters implement these; tests bring simulators.

Every method raises only errors of `core.errors`; what a method does on top of that is in its
docstring.
"""

from .advisories import AdvisoryFiles, HostReader, OvalScanner, PageRenderer
from .bundle import BundleHead, BundlePlace
from .metadata import (
    Filtered,
    LocalRepository,
    LocalSource,
    Metadata,
    MetadataFilter,
    MetadataReader,
    Solver,
)
from .pool import Pool
from .publisher import Flaw, Publisher
from .running import Clock, Executor, Reporter
from .signatures import Keyring, PackageVerifier, SignedText, Signer, Verified
from .state import (
    Journal,
    LastRun,
    LastVetting,
    RepositoryMemory,
    State,
    UpstreamTime,
    VettingRecords,
)
from .transport import Document, DocumentRequest, Download, Failure, Transport, Validators

__all__ = [
    "AdvisoryFiles",
    "BundleHead",
    "BundlePlace",
    "Clock",
    "Document",
    "DocumentRequest",
    "Download",
    "Executor",
    "Failure",
    "Filtered",
    "Flaw",
    "HostReader",
    "Journal",
    "Keyring",
    "LastRun",
    "LastVetting",
    "LocalRepository",
    "LocalSource",
    "Metadata",
    "MetadataFilter",
    "MetadataReader",
    "OvalScanner",
    "PackageVerifier",
    "PageRenderer",
    "Pool",
    "Publisher",
    "Reporter",
    "RepositoryMemory",
    "SignedText",
    "Signer",
    "Solver",
    "State",
    "Transport",
    "UpstreamTime",
    "Validators",
    "Verified",
    "VettingRecords",
]
