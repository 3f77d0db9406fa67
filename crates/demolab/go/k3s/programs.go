package main

import (
	goflag "flag"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericserver "k8s.io/apiserver/pkg/server"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/component-base/version/verflag"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs are the Kubernetes programs inside this binary, by the name the process was started under.
var programs = map[string]func(){
	"kube-apiserver":          func() { become(apiServerCommand()) },
	"kube-controller-manager": func() { become(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() { become(scheduler.NewSchedulerCommand()) },
	"kube-proxy":              func() { become(proxy.NewProxyCommand()) },
	"kubelet":                 func() { run(kubelet.NewKubeletCommand()) }, // parses its own flags
	"kubectl":                 kubectlProgram,
}

func become(command *cobra.Command) {
	pflag.CommandLine.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	pflag.CommandLine.AddGoFlagSet(goflag.CommandLine)
	run(command)
}

func run(command *cobra.Command) {
	logs.InitLogs()
	err := command.Execute()
	logs.FlushLogs()
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// kubectlProgram is kubectl; without a kubeconfig of the user's it takes the one this server wrote.
func kubectlProgram() {
	if os.Getenv("KUBECONFIG") == "" {
		if _, err := os.Stat(defaultKubeconfig); err == nil {
			os.Setenv("KUBECONFIG", defaultKubeconfig)
		}
	}
	become(kubectl.NewDefaultKubectlCommand())
}

// apiServerCommand is the API server with the supervisor's paths in front of its own, on one port, as in k3s.
func apiServerCommand() *cobra.Command {
	s := options.NewServerRunOptions()
	command := &cobra.Command{
		Use:           "kube-apiserver",
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(cmd *cobra.Command, _ []string) error {
			verflag.PrintAndExitIfRequested()
			rest.SetDefaultWarningHandler(rest.NoWarnings{})
			completed, err := apiserver.Complete(s)
			if err != nil {
				return err
			}
			if errs := completed.Validate(); len(errs) != 0 {
				return utilerrors.NewAggregate(errs)
			}
			stop := genericserver.SetupSignalHandler()
			server, err := apiserver.CreateServerChain(completed, stop)
			if err != nil {
				return err
			}
			if path := os.Getenv(supervisorEnv); path != "" {
				front, err := newSupervisor(path)
				if err != nil {
					return err
				}
				handler := server.GenericAPIServer.Handler
				handler.FullHandlerChain = front.before(handler.FullHandlerChain)
			}
			prepared, err := server.PrepareRun()
			if err != nil {
				return err
			}
			return prepared.Run(stop)
		},
	}
	sets := s.Flags()
	verflag.AddFlags(sets.FlagSet("global"))
	globalflag.AddGlobalFlags(sets.FlagSet("global"), command.Name())
	options.AddCustomGlobalFlags(sets.FlagSet("generic"))
	for _, set := range sets.FlagSets {
		command.Flags().AddFlagSet(set)
	}
	return command
}
