package httpapi

import (
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/internal/jsontext"
)

// sessionRoutes are the routes about the caller and the process.
func sessionRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/currentuser", name: "getCurrentUser", plain: true, answers: "session.json#/$defs/user",
			summary: "Who the caller is, by the token", doc: "Every role.", needs: []auth.Permission{auth.ReadSession}, serve: currentUser,
		},
		{
			method: http.MethodGet, path: "/permissions", name: "listPermissions", plain: true, answers: "session.json#/$defs/permissions",
			summary: "What the caller may do", doc: "Every role.", needs: []auth.Permission{auth.ReadSession}, serve: permissions,
		},
		{
			method: http.MethodGet, path: "/permissions/{name}", texts: []string{"name"}, name: "getPermission", plain: true,
			answers: "session.json#/$defs/permission", summary: "Whether the caller has a permission", doc: "Every role.",
			needs: []auth.Permission{auth.ReadSession}, serve: permission,
		},
		{
			method: http.MethodGet, path: "/admin/health", name: "getAdminHealth", plain: true, answers: "health.json",
			summary: "Whether the process should get requests", doc: "Auditor and admin. On the private listener the same needs no login.",
			needs: []auth.Permission{auth.ReadHealth}, serve: adminHealth,
		},
	}
}

// currentUser is GET /currentuser.
func currentUser(c *call) (*answer, error) {
	body := jsontext.AppendStringOrNull([]byte(`{"userId":`), c.subject())
	body = jsontext.AppendStringOrNull(append(body, `,"sessionId":`...), c.identity.SessionID)
	body = jsontext.AppendStringOrNull(append(body, `,"tenant":`...), c.tenant)
	body = append(body, `,"roles":[`...)
	for i, role := range c.identity.Roles {
		if i > 0 {
			body = append(body, ',')
		}
		body = jsontext.AppendString(body, string(role))
	}
	return &answer{status: http.StatusOK, body: append(body, ']', '}')}, nil
}

// permissions is GET /permissions: those that the caller has.
func permissions(c *call) (*answer, error) {
	body := []byte{'['}
	for i, p := range c.identity.Permissions() {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendPermission(body, p, true)
	}
	return &answer{status: http.StatusOK, body: append(body, ']')}, nil
}

// permission is GET /permissions/{name}. A name that is no permission is 404.
func permission(c *call) (*answer, error) {
	p := auth.Permission(c.request.PathValue("name"))
	if !auth.Known(p) {
		return nil, errNotFound
	}
	return &answer{status: http.StatusOK, body: appendPermission(nil, p, c.identity.May(p))}, nil
}

func appendPermission(dst []byte, p auth.Permission, granted bool) []byte {
	dst = jsontext.AppendString(append(dst, `{"permissionName":`...), string(p))
	if granted {
		return append(dst, `,"canDo":true}`...)
	}
	return append(dst, `,"canDo":false}`...)
}
