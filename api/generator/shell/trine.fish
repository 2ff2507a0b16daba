# SPDX-License-Identifier: Apache-2.0
# Completion of trine for fish. Made with `trine completion fish`.
@TABLE@

function __trine_reply
    switch $argv[1]
        case none
        case files
            __fish_complete_path $argv[2]
        case 'words:*'
            string split , (string replace words: '' $argv[1])
        case '*'
            trine __complete $argv[1] "$argv[2]" 2>/dev/null
    end
end

# The kind of value that a flag takes, from FLAG=KIND words; nothing when it takes none.
function __trine_value
    for pair in (string split ' ' -- $argv[2])
        set -l parts (string split -m 1 = -- $pair)
        test "$parts[1]" = "$argv[1]"; and echo $parts[2]
    end
end

function __trine
    set -l words (commandline -opc)[2..-1]
    set -l cur (commandline -ct)
    set -l command ''
    set -l at 0
    set -l wanted ''
    set -l spec (__trine_command '')
    for word in $words
        if test -n "$wanted"
            set wanted ''
        else if string match -q -- '-*' $word
            set wanted (__trine_value $word "$spec[2]")
        else if test -z "$command"; or begin; not string match -q '* *' $command; and test $at -eq 0; and test -n "$(__trine_words $command)"; end
            set command (string trim "$command $word")
            set spec (__trine_command $command)
        else
            set at (math $at + 1)
        end
    end
    if test -n "$wanted"
        __trine_reply $wanted "$cur"
    else if string match -q -- '--*=*' $cur
        set -l parts (string split -m 1 = -- $cur)
        for value in (__trine_reply (__trine_value $parts[1] "$spec[2]") "$parts[2]")
            echo "$parts[1]=$value"
        end
    else if string match -q -- '-*' $cur
        string split ' ' -- $spec[1]
    else if not string match -q '* *' $command; and test -n "$(__trine_words $command)"
        __trine_words $command
    else
        set -l kind none
        for arg in (string split ' ' -- $spec[3])
            set kind (string replace -r '\+$' '' -- $arg)
            test $at -eq 0; and break
            set at (math $at - 1)
            string match -q '*+' -- $arg; or set kind none
        end
        test -n "$kind"; and __trine_reply $kind "$cur"
    end
end
complete -c trine -f -a '(__trine)'
