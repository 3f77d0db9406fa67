//! The banner and usage text.

/// What a bare `vmrun` prints.
pub(crate) const USAGE: &str = "
vmrun version 1.17.0 build-0

Usage: vmrun [AUTHENTICATION-FLAGS] COMMAND [PARAMETERS]

AUTHENTICATION-FLAGS
These must appear before the command and any command parameters.

   -T <hostType> (ws|fusion||player)
   -vp <password in encrypted virtual machine>
   -gu <userName in guest OS>
   -gp <password in guest OS>

POWER COMMANDS           PARAMETERS           DESCRIPTION
start                    Path to vmx file     Start a VM
                         [gui|nogui]

stop                     Path to vmx file     Stop a VM
                         [hard|soft]

reset                    Path to vmx file     Reset a VM
                         [hard|soft]

NETWORKADAPTER COMMANDS  PARAMETERS           DESCRIPTION
listHostNetworks                              List all networks in the host

GUEST OS COMMANDS        PARAMETERS           DESCRIPTION
connectNamedDevice       Path to vmx file     Connect the named device in the guest OS
                         device name

disconnectNamedDevice    Path to vmx file     Disconnect the named device in the guest OS
                         device name

getGuestIPAddress        Path to vmx file     Gets the IP address of the guest
                         [-wait]

GENERAL COMMANDS         PARAMETERS           DESCRIPTION
list                                          List all running VMs

checkToolsState          Path to vmx file     Check the current Tools state

deleteVM                 Path to vmx file     Delete a VM

QVMRUN'S OWN COMMANDS    PARAMETERS           DESCRIPTION
net up                   ADDRESS/PREFIX       Make the host-only network vmnet1
                         [--mode namespace|bridge]
                         [--forward IP:PORT]...

net show                                      Print facts about it as JSON

net down                                      Remove it

net exec                 -- COMMAND ARGS      Run a command inside it

limits                                        What this front end cannot do

doctor                                        Check this host
";
