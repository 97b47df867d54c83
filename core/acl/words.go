package acl

import (
	"strconv"

	"github.com/firnlog/firnlog/core/auth"
)

// Kafka's words for its numbers, as kafka-acls prints them and version 3 of the REST conventions spells them.

func typeNames() map[auth.ResourceType]string {
	return map[auth.ResourceType]string{
		ResourceAny: "ANY", auth.ResourceTopic: "TOPIC", auth.ResourceGroup: "GROUP", auth.ResourceCluster: "CLUSTER",
		auth.ResourceTransactionalID: "TRANSACTIONAL_ID", auth.ResourceDelegationToken: "DELEGATION_TOKEN", auth.ResourceUser: "USER",
	}
}

func patternNames() map[Pattern]string {
	return map[Pattern]string{PatternAny: "ANY", PatternMatch: "MATCH", PatternLiteral: "LITERAL", PatternPrefixed: "PREFIXED"}
}

func operationNames() map[auth.Operation]string {
	return map[auth.Operation]string{
		OperationAny: "ANY", auth.OperationAll: "ALL", auth.OperationRead: "READ", auth.OperationWrite: "WRITE", auth.OperationCreate: "CREATE",
		auth.OperationDelete: "DELETE", auth.OperationAlter: "ALTER", auth.OperationDescribe: "DESCRIBE", auth.OperationClusterAction: "CLUSTER_ACTION",
		auth.OperationDescribeConfigs: "DESCRIBE_CONFIGS", auth.OperationAlterConfigs: "ALTER_CONFIGS", auth.OperationIdempotentWrite: "IDEMPOTENT_WRITE",
		auth.OperationCreateTokens: "CREATE_TOKENS", auth.OperationDescribeTokens: "DESCRIBE_TOKENS", auth.OperationTwoPhaseCommit: "TWO_PHASE_COMMIT",
	}
}

func permissionNames() map[Permission]string {
	return map[Permission]string{PermissionAny: "ANY", PermissionDeny: "DENY", PermissionAllow: "ALLOW"}
}

// TypeName is Kafka's word for a resource type.
func TypeName(t auth.ResourceType) string { return nameIn(typeNames(), t) }

// PatternName is Kafka's word for a pattern type.
func PatternName(p Pattern) string { return nameIn(patternNames(), p) }

// OperationName is Kafka's word for an operation.
func OperationName(o auth.Operation) string { return nameIn(operationNames(), o) }

// PermissionName is Kafka's word for a permission.
func PermissionName(p Permission) string { return nameIn(permissionNames(), p) }

// ParseType reads Kafka's word for a resource type.
func ParseType(s string) (auth.ResourceType, bool) { return numberIn(typeNames(), s) }

// ParsePattern reads Kafka's word for a pattern type.
func ParsePattern(s string) (Pattern, bool) { return numberIn(patternNames(), s) }

// ParseOperation reads Kafka's word for an operation.
func ParseOperation(s string) (auth.Operation, bool) { return numberIn(operationNames(), s) }

// ParsePermission reads Kafka's word for a permission.
func ParsePermission(s string) (Permission, bool) { return numberIn(permissionNames(), s) }

func nameIn[T ~int8](names map[T]string, n T) string {
	if name, known := names[n]; known {
		return name
	}
	return "UNKNOWN(" + strconv.Itoa(int(n)) + ")"
}

func numberIn[T ~int8](names map[T]string, word string) (T, bool) {
	for n, name := range names {
		if name == word {
			return n, true
		}
	}
	return 0, false
}
