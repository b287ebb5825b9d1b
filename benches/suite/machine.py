"""What the figures were measured on."""

import os
import platform
import re
import subprocess
from pathlib import Path


def describe(root):
    return {
        'cpu': cpu_model(),
        'cores': len(os.sched_getaffinity(0)),
        'kernel': platform.release(),
        'rustc': told('rustc', '--version'),
        'cc': told('cc', '--version'),
        'libzmq': told('pkg-config', '--modversion', 'libzmq'),
        'commit': told('git', '-C', str(root), 'describe', '--always', '--dirty'),
    }


def cpu_model():
    names = re.findall(r'^model name\s*:\s*(.+)$', Path('/proc/cpuinfo').read_text(), re.MULTILINE)
    return names[0] if names else platform.processor()


def told(*words):
    """The first line of what a program says, or nothing."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=10)
        return done.stdout.splitlines()[0].strip() if done.stdout else ''
    except (OSError, subprocess.TimeoutExpired):
        return ''


def footer(machine):
    """One line for below a table or a chart."""
    parts = [f'{machine["cpu"]}, {machine["cores"]} cores', f'Linux {machine["kernel"]}', machine['rustc'],
             machine['cc'], f'libzmq {machine["libzmq"]}' if machine['libzmq'] else '',
             f'hubless {machine["commit"]}']
    return ' · '.join(part for part in parts if part)
