"""The names of things in specifications. A theme is held out of training as a whole, to test on names never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Words for one small world; no word is in two themes.

    Attributes:
        name: The theme.
        firm: Who plans, with its article: ``a bakery chain``.
        places: Names of sites and cities, 12 or more, each one word.
        goods: Names of products, 12 or more, each one word, singular.
        machines: Names of machines or tasks, 8 or more, each one word.
        people: First names, 10 or more.
    """

    name: str
    firm: str
    places: tuple[str, ...]
    goods: tuple[str, ...]
    machines: tuple[str, ...]
    people: tuple[str, ...]


def _theme(name: str, firm: str, *words: str) -> Theme:
    places, goods, machines, people = (tuple(group.split()) for group in words)
    return Theme(name, firm, places, goods, machines, people)


_THEMES = (
    _theme(
        "bakery",
        "a bakery chain",
        "Lyon Nantes Lille Rennes Dijon Reims Tours Angers Nimes Metz Brest Caen Amiens Nancy",
        "baguette croissant brioche tart eclair rye bagel pretzel scone muffin waffle focaccia",
        "oven mixer proofer slicer glazer sheeter divider cooler",
        "Anna Boris Clara David Elena Felix Greta Hugo Irene Jonas Karin Lukas",
    ),
    _theme(
        "steel",
        "a steel works",
        "Essen Linz Gary Ostrava Luleo Terni Donetsk Bilbao Liege Galati Cardiff Sheffield Duisburg",
        "coil rebar plate billet wire beam rail tube sheet strip bloom slab",
        "furnace caster mill pickler shear annealer welder coater",
        "Marta Nils Olga Pavel Rosa Stefan Tilda Ulrich Vera Walter Xenia Yannis",
    ),
    _theme(
        "chemistry",
        "a maker of chemicals",
        "Basel Leuna Antwerp Houston Jubail Ulsan Porto Tarragona Geelong Kawasaki Pune Camacari",
        "ammonia ethanol acetone toluene phenol resin solvent xylene styrene benzene butanol glycerol",
        "reactor still dryer crystallizer filter extractor centrifuge compressor",
        "Aisha Bruno Carmen Diego Esther Fatima Gustav Helga Ivan Julia Kenji Lena",
    ),
    _theme(
        "furniture",
        "a furniture maker",
        "Malmo Turku Vilnius Riga Tartu Gdansk Kaunas Odense Bergen Vaasa Lahti Oulu",
        "chair table shelf sofa desk cabinet stool bench bed dresser wardrobe lamp",
        "saw lathe sander press drill shaper planer sprayer",
        "Mikkel Nora Otto Petra Quentin Ronja Sven Tuula Uno Viktor Wilma Yrsa",
    ),
    _theme(
        "farming",
        "a farming cooperative",
        "Davis Fresno Salinas Modesto Yuma Boise Fargo Ames Lubbock Wichita Omaha Topeka",
        "wheat barley maize oats lentil soy canola sorghum millet flax hemp alfalfa",
        "tractor combine baler seeder harrow mower loader thresher",
        "Abel Beth Cole Dora Emmett Faye Gus Hattie Ike Josie Kent Lottie",
    ),
    _theme(
        "electronics",
        "a maker of electronics",
        "Penang Suzhou Hsinchu Busan Dresden Cebu Austin Guadalajara Chennai Wroclaw Shannon Sendai",
        "router camera sensor drone tablet printer scanner speaker monitor keyboard modem headset",
        "placer solderer tester packer etcher bonder labeler inspector",
        "Akira Bao Chitra Dmitri Eun Farid Gopal Hana Imran Jin Kavya Liang",
    ),
)
THEMES: Mapping[str, Theme] = {theme.name: theme for theme in _THEMES}
