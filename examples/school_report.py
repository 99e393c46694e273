"""A batch of batches: for every class, for every student, read the grades and work out the average.

pocketflow-tracing run examples/school_report.py
"""

from __future__ import annotations

from typing import Any

from pocketflow import BatchFlow, BatchNode, Flow, Node

GRADES = {
    "1a": {"Ada": [1, 2, 1], "Ben": [3, 4]},
    "1b": {"Cem": [2, 2, 3]},
}


class LoadGrades(Node):
    """Looks up the grades of one student, named by the parameters of the iteration."""

    def exec(self, prep_res: Any) -> list[int]:
        return GRADES[self.params["school_class"]][self.params["student"]]

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: list[int]) -> None:
        shared["grades"] = exec_res


class Average(Node):
    """Works out the average of the grades that were loaded."""

    def prep(self, shared: dict[str, Any]) -> list[int]:
        grades: list[int] = shared["grades"]
        return grades

    def exec(self, prep_res: list[int]) -> float:
        return round(sum(prep_res) / len(prep_res), 2)

    def post(self, shared: dict[str, Any], prep_res: list[int], exec_res: float) -> None:
        shared["averages"][self.params["student"]] = exec_res


class StudentsOfClass(BatchFlow):
    """One iteration for each student of a class."""

    def prep(self, shared: dict[str, Any]) -> list[dict[str, str]]:
        return [{"student": student} for student in GRADES[self.params["school_class"]]]


class ClassesOfSchool(BatchFlow):
    """One iteration for each class."""

    def prep(self, shared: dict[str, Any]) -> list[dict[str, str]]:
        return [{"school_class": school_class} for school_class in GRADES]


class Praise(BatchNode):
    """Picks out who did well."""

    def prep(self, shared: dict[str, Any]) -> list[tuple[str, float]]:
        return sorted(shared["averages"].items())

    def exec(self, prep_res: tuple[str, float]) -> str | None:
        student, average = prep_res
        return student if average <= 2 else None

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: list[str | None]) -> None:
        shared["praised"] = [student for student in exec_res if student]


class SchoolReport(Flow):
    """Averages first, praise after."""


def build_flow() -> SchoolReport:
    """The two batch flows, one inside the other, and a batch node after them."""
    load = LoadGrades()
    load >> Average()
    classes = ClassesOfSchool(start=StudentsOfClass(start=load))
    classes >> Praise()
    return SchoolReport(start=classes)


def main() -> None:
    """Prints every average, and who did well."""
    shared: dict[str, Any] = {"averages": {}}
    build_flow().run(shared)
    for student, average in shared["averages"].items():
        print(f"{student}: {average}")
    print("well done:", ", ".join(shared["praised"]))


if __name__ == "__main__":
    main()
