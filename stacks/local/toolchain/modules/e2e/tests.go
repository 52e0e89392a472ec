// SPDX-License-Identifier: Apache-2.0

// Package e2e keeps the modules that Kubernetes' end-to-end tests need in go.mod; it is never built.
package e2e

import _ "k8s.io/kubernetes/test/e2e"
