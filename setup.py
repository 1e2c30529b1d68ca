"""Puts the jobs and recipes that are beside the package into it when a wheel is built; pyproject.toml says all else."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithJobs(build_py):
    """Copies pipelines/*.yaml and configs/*.yaml; an editable installation reads them where they are."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        for folder in () if self.editable_mode else ("pipelines", "configs"):
            target = Path(self.build_lib, "streamdet", folder)
            target.mkdir(parents=True, exist_ok=True)
            for file in Path(folder).glob("*.yaml"):
                self.copy_file(str(file), str(target / file.name))


setup(cmdclass={"build_py": BuildWithJobs})
