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

suspend                  Path to vmx file     Suspend a VM
                         [hard|soft]

pause                    Path to vmx file     Pause a VM

unpause                  Path to vmx file     Unpause a VM

SNAPSHOT COMMANDS        PARAMETERS           DESCRIPTION
listSnapshots            Path to vmx file     List all snapshots in a VM
                         [showTree]

snapshot                 Path to vmx file     Create a snapshot of a VM
                         Snapshot name

deleteSnapshot           Path to vmx file     Remove a snapshot from a VM
                         Snapshot name
                         [andDeleteChildren]

revertToSnapshot         Path to vmx file     Set VM state to a snapshot
                         Snapshot name

NETWORKADAPTER COMMANDS  PARAMETERS           DESCRIPTION
listNetworkAdapters      Path to vmx file     List all network adapters of a VM

addNetworkAdapter        Path to vmx file     Add a network adapter to a VM
                         Network adapter type
                         [Host network]

setNetworkAdapter        Path to vmx file     Set a network adapter of a VM
                         Adapter index
                         Network adapter type
                         [Host network]

deleteNetworkAdapter     Path to vmx file     Remove a network adapter from a VM
                         Adapter index

HOST NETWORK COMMANDS    PARAMETERS           DESCRIPTION
listHostNetworks                              List all networks in the host

listPortForwardings      Host network name    List all port forwardings of a network

GUEST OS COMMANDS        PARAMETERS           DESCRIPTION
runProgramInGuest        Path to vmx file     Run a program in the guest OS
                         [-noWait]
                         [-activeWindow]
                         [-interactive]
                         Path to program
                         [Arguments]

runScriptInGuest         Path to vmx file     Run a script in the guest OS
                         [-noWait]
                         [-activeWindow]
                         [-interactive]
                         Interpreter path
                         Script text

fileExistsInGuest        Path to vmx file     Check whether a file exists
                         Path in guest

directoryExistsInGuest   Path to vmx file     Check whether a directory exists
                         Path in guest

listProcessesInGuest     Path to vmx file     List running processes

killProcessInGuest       Path to vmx file     Kill a process
                         Process id

deleteFileInGuest        Path to vmx file     Delete a file
                         Path in guest

createDirectoryInGuest   Path to vmx file     Create a directory
                         Path in guest

deleteDirectoryInGuest   Path to vmx file     Delete a directory and what is in it
                         Path in guest

createTempfileInGuest    Path to vmx file     Create a temporary file

listDirectoryInGuest     Path to vmx file     List a directory
                         Path in guest

copyFileFromHostToGuest  Path to vmx file     Copy a file into the guest OS
                         Path on host
                         Path in guest

copyFileFromGuestToHost  Path to vmx file     Copy a file out of the guest OS
                         Path in guest
                         Path on host

renameFileInGuest        Path to vmx file     Rename a file
                         Original name
                         New name

typeKeystrokesInGuest    Path to vmx file     Type keystrokes
                         Keystrokes

connectNamedDevice       Path to vmx file     Connect the named device
                         device name

disconnectNamedDevice    Path to vmx file     Disconnect the named device
                         device name

captureScreen            Path to vmx file     Save the screen as PNG
                         Path on host

writeVariable            Path to vmx file     Write a variable
                         [runtimeConfig|guestEnv|guestVar]
                         Variable name
                         Variable value

readVariable             Path to vmx file     Read a variable
                         [runtimeConfig|guestEnv|guestVar]
                         Variable name

getGuestIPAddress        Path to vmx file     Get the IP address of the guest
                         [-wait]

GENERAL COMMANDS         PARAMETERS           DESCRIPTION
list                                          List all running VMs

upgradevm                Path to vmx file     Upgrade the virtual hardware

checkToolsState          Path to vmx file     Check the current Tools state

deleteVM                 Path to vmx file     Delete a VM

clone                    Path to vmx file     Create a copy of a VM
                         Path of the new vmx file
                         full|linked
                         [-snapshot=Snapshot name]
                         [-cloneName=Name]

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
