"""Models of all that crosses a process boundary as JSON (daemon/README.md, "HTTP API").

Requests are strict (an unknown key is refused); answers tolerate keys that a newer daemon adds, so
that an older client keeps working. The rest of the product says `wire.Entry`, whatever file that stands in.
"""

from daemon.core.wire.backups import (
    BACKUP_MEDIA_TYPE as BACKUP_MEDIA_TYPE,
    BackupDatabase as BackupDatabase,
    BackupManifest as BackupManifest,
)
from daemon.core.wire.base import (
    MAX_BODY_BYTES as MAX_BODY_BYTES,
    MAX_DIMS as MAX_DIMS,
    MAX_ENTRY_BYTES as MAX_ENTRY_BYTES,
    MAX_K as MAX_K,
    MAX_PAGE as MAX_PAGE,
    MAX_QUERY_BYTES as MAX_QUERY_BYTES,
    Answer as Answer,
    Metadata as Metadata,
    Request as Request,
    Scalar as Scalar,
)
from daemon.core.wire.entries import (
    Added as Added,
    AddEntries as AddEntries,
    Change as Change,
    Deleted as Deleted,
    DeleteEntries as DeleteEntries,
    Edited as Edited,
    EditEntry as EditEntry,
    Entry as Entry,
    EntryPage as EntryPage,
    HistoryPage as HistoryPage,
    NewEntry as NewEntry,
    Refused as Refused,
    SetResult as SetResult,
    SetTexts as SetTexts,
)
from daemon.core.wire.host import (
    AuditPage as AuditPage,
    NO_GPU as NO_GPU,
    Gpu as Gpu,
    GpuList as GpuList,
    GpuProcess as GpuProcess,
    Health as Health,
    DiskBound as DiskBound,
    HostMemory as HostMemory,
    Lacking as Lacking,
    Info as Info,
    OpenApi as OpenApi,
    SignedIn as SignedIn,
    SignIn as SignIn,
)
from daemon.core.wire.operations import (
    Event as Event,
    EventPage as EventPage,
    Operation as Operation,
    OperationAnswer as OperationAnswer,
    OperationState as OperationState,
    Progress as Progress,
)
from daemon.core.wire.reading import (
    M as M,
    allowed_of as allowed_of,
    check_query as check_query,
    invalid_of as invalid_of,
    parse as parse,
    shorten as shorten,
)
from daemon.core.wire.searching import (
    Hit as Hit,
    Search as Search,
    SearchResult as SearchResult,
    Timing as Timing,
    Vector as Vector,
    VectorRequest as VectorRequest,
)
from daemon.core.wire.tenants import (
    Crash as Crash,
    LogLine as LogLine,
    LogPage as LogPage,
    Rates as Rates,
    TenantPage as TenantPage,
    TenantView as TenantView,
    Title as Title,
    UsageDay as UsageDay,
    UsagePage as UsagePage,
)
