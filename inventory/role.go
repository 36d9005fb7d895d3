package inventory

import (
	"slices"
	"strings"
)

// Role is a set of rights that people are given as one.
type Role string

const (
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleOwner    Role = "owner"
	RoleApprover Role = "approver"
	RoleAuditor  Role = "auditor"
	RoleAdmin    Role = "admin"
)

// A RoleRow is one role with what it gives.
type RoleRow struct {
	Role   Role
	Doc    string
	Rights []Right
	// NotProd are the rights it gives on containers outside the environment prod.
	NotProd []Right
}

// Roles is the table of roles. An admin has no way into a container, nor to what was recorded there:
// that is granted, and the grant is seen (NIST SP 800-53 AC-5, AC-6).
var Roles = []RoleRow{
	{Role: RoleViewer, Doc: "sees containers and what belongs to them",
		Rights: []Right{RightEnter, RightView}},
	{Role: RoleOperator, Doc: "runs containers; goes into and deletes those that are not prod",
		Rights:  []Right{RightEnter, RightView, RightCreate, RightOperate, RightManage, RightBootLog},
		NotProd: []Right{RightSession, RightSudo, RightConsole, RightFile, RightForward, RightSocket, RightAgent, RightDelete}},
	{Role: RoleOwner, Doc: "answers for containers: all that can be done with them, and who else may",
		Rights: []Right{RightEnter, RightView, RightCreate, RightOperate, RightManage, RightDelete, RightPurge,
			RightSession, RightSudo, RightConsole, RightBootLog, RightFile, RightForward, RightSocket, RightAgent, RightGrant, RightEmergency}},
	{Role: RoleApprover, Doc: "decides about changes of others",
		Rights: []Right{RightEnter, RightView, RightApprove}},
	{Role: RoleAuditor, Doc: "reads everything, recordings too, and changes nothing",
		Rights: []Right{RightEnter, RightView, RightAudit, RightBootLog, RightRecording}},
	{Role: RoleAdmin, Doc: "keeps the host and says who may what; has no shell, files or recordings by that",
		Rights: []Right{RightEnter, RightView, RightCreate, RightOperate, RightManage, RightDelete, RightPurge,
			RightHostPath, RightImage, RightHost, RightProject, RightAudit, RightApprove, RightEmergency, RightPolicy,
			RightGrant, RightIdentity, RightSecret, RightRecovery}},
}

// Row returns the role's row; ok is false for no role.
func (r Role) Row() (RoleRow, bool) {
	for _, row := range Roles {
		if row.Role == r {
			return row, true
		}
	}
	return RoleRow{}, false
}

// Gives reports whether the role gives the right on c, or, where c is nil, on what is on no container.
func (r Role) Gives(right Right, c *Container) bool {
	row, ok := r.Row()
	if !ok {
		return false
	}
	return slices.Contains(row.Rights, right) ||
		slices.Contains(row.NotProd, right) && c != nil && c.Environment != prod
}

// ParseRole reads the name of a role.
func ParseRole(text string) (Role, error) {
	if _, ok := Role(text).Row(); ok {
		return Role(text), nil
	}
	var names []string
	for _, row := range Roles {
		names = append(names, string(row.Role))
	}
	return "", Errorf(ErrInvalid, "there is no role %q; there are %s", text, strings.Join(names, ", "))
}

// Conflict names two of the roles that one identity must not hold at once, wherever they hold
// (separation of duties): who reads the record of what is done does none of it. Empty: none.
func Conflict(roles []Role) string {
	if !slices.Contains(roles, RoleAuditor) {
		return ""
	}
	for _, r := range []Role{RoleOperator, RoleOwner, RoleAdmin} {
		if slices.Contains(roles, r) {
			return "auditor and " + string(r)
		}
	}
	return ""
}

// prod is the environment that takes the most care.
const prod Environment = "prod"
