package store

import (
	"context"
	"io/fs"
)

// Rows are the row types, for the test that compares them with the tables.
var Rows = []any{
	metaRow{}, hostRow{}, networkRow{}, containerRow{}, revisionRow{}, addressRow{}, operationRow{},
	operationKeyRow{}, changeRow{}, deadlineRow{}, eventRow{}, quotaRow{}, snapshotRow{}, imageRow{}, remoteRow{},
	aliasRow{}, sessionRow{}, projectRow{}, unixUIDRow{}, unixAccountRow{},
	volumeRow{}, attachmentRow{}, volumeSnapshotRow{}, affinityRow{}, leaseWarningRow{}, sudoRow{}, dnsRecordRow{}, poolRow{}, reservationRow{}, firewallRow{}, forwardRow{},
	auditCursorRow{}, auditTermRow{}, auditUseRow{}, auditSpanRow{}, auditRecordRow{},
	accountRow{}, userRow{}, userUIDRow{}, userKeyRow{}, userGroupRow{}, roleBindingRow{}, tokenRow{}, certificateRow{}, revokedKeyRow{}, authorityRow{}, policyVersionRow{}, expectationRow{}, windowRow{},
	secretRow{},
}

// Migrate brings a file up to date with migrations other than the program's.
func Migrate(ctx context.Context, c Config, files fs.FS) error {
	return explain(c.Path, prepareFile(ctx, c, files))
}

// NotCopied are the tables that recovery leaves empty.
var NotCopied = notCopied

// CopiedTables are those it fills.
func CopiedTables() []string {
	names := make([]string, len(copies))
	for i, c := range copies {
		names[i] = c.table
	}
	return names
}
