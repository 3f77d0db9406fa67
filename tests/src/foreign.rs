//! A kubeconfig as people have them: other clusters, comments, odd formatting. It must survive byte for byte.

/// Text that no serializer would write like this.
pub(crate) const KUBECONFIG: &str = "\
# work clusters, do not touch   
apiVersion: v1
kind: Config
preferences: {}

clusters:
    # production
    - cluster: {server: \"https://prod.example:6443\", insecure-skip-tls-verify: false}
      name: 'prod'
    - name: \"old lab\"
      cluster:
        server: https://10.1.2.3:6443      # long gone
contexts:
- context:
    cluster: prod
    user: \"me\"
    namespace: payments
  name: prod
- {name: old, context: {cluster: \"old lab\", user: me}}
current-context: prod     # careful

users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: get-token
      args:
      -   --quiet
      interactiveMode: Never
";
