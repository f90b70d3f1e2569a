"""What the sample model must own up to not knowing: things and questions beside its topics.

Data only; the same frames are asked of known and of unknown things, so that it must read the thing itself.
"""

from typing import Final

UNKNOWN: Final = "I do not know that. Ask me about SageMaker endpoints, costs or roles."

_THINGS: Final = (
    "Paris,France,the moon,the sun,a cat,dogs,a banana,football,chess,music,the piano,a guitar,love,happiness,"
    "philosophy,the weather,rain,snow,a hurricane,a volcano,the ocean,a river,the Eiffel Tower,Shakespeare,Hamlet,"
    "Einstein,Napoleon,the president,the king,a doctor,a dentist,a lawyer,my mother,my brother,a birthday,Christmas,"
    "Easter,a holiday,a passport,a visa,a hotel,a flight,an airport,a train,a bicycle,a car,a truck,an engine,petrol,"
    "coffee,tea,bread,cheese,pizza,pasta,soup,a recipe,a cake,sugar,salt,wine,beer,a restaurant,a kitchen,a garden,"
    "a tree,a rose,grass,a mountain,Mount Everest,the Alps,Africa,Spain,Germany,Japan,China,Brazil,London,Berlin,"
    "Madrid,Rome,New York,history,the Roman Empire,the war,a poem,a joke,a story,a novel,a film,a song,an actor,"
    "painting,Picasso,a museum,a school,homework,an exam,mathematics,algebra,two plus two,the square root,physics,"
    "gravity,an atom,chemistry,water,oxygen,gold,iron,biology,a cell,a gene,the heart,the brain,a headache,a cold,"
    "medicine,sleep,a dream,yoga,running,swimming,tennis,golf,the Olympics,a ticket,money,a bank,a loan,tax,inflation,"
    "the stock market,bitcoin,a house,a door,a window,a chair,a table,a lamp,a phone,a camera,television,radio,"
    "a newspaper,an email,a letter,a stamp,Java,Python,Linux,Excel,a browser,a virus,a printer,a keyboard,a game,"
    "a dragon,a unicorn,a ghost,a robot vacuum,the future,the past,time,a clock,blue,your favourite colour,the sky,"
    "a penguin,a lion,a fish,a planet,Mars,a rocket,a satellite,the internet,a website,JavaScript,Docker,Kubernetes,"
    "a database,SQL,Windows,a compiler,an algorithm,statistics,blockchain,quantum physics,a battery,a bridge,a castle,"
    "a pirate,a magician,the queen,my boss,a baby,a teacher,a student,the dishwasher,a screw,paper,glass,silver,"
    "a transformer toy,a diamond,sand,fire,ice,thunder,spring,summer,Monday,midnight,a minute,a number,a word,"
    "a shoe,a hat,a coat,a wedding,a dinosaur,a whale,a horse,a bird,an elephant,a spider,bees,an island"
)
THINGS: Final = tuple(_THINGS.split(","))
"""Things the model does not know."""

QUESTIONS: Final = (
    "Where is {}?",
    "How old is {}?",
    "How tall is {}?",
    "How far away is {}?",
    "Who invented {}?",
    "Who won {}?",
    "Who is {}?",
    "When was {} invented?",
    "What is the capital of {}?",
    "What colour is {}?",
    "How do I cook {}?",
    "How do I make {}?",
    "How do I get to {}?",
    "How do I fix {}?",
    "How do I delete {}?",
    "How much does {} cost?",
    "How long does {} take?",
    "Which {} should I choose?",
    "Why is {} so big?",
    "Do you like {}?",
    "Can you sing about {}?",
    "Write a poem about {}.",
    "Tell me a joke about {}.",
    "Tell me a story about {}.",
    "Translate {} to German.",
    "Recommend {} to me.",
    "Book {} for me.",
    "Do I need {}?",
    "Can I have {}?",
    "Show me {}.",
    "Have you seen {}?",
    "Can you buy {}?",
    "Did {} win?",
    "I like {}.",
    "Is {} good for me?",
)
SENTENCES: Final = (
    "Tell me a joke.",
    "Tell me a story.",
    "Write a poem.",
    "Sing a song.",
    "What time is it?",
    "What day is it today?",
    "What is the weather today?",
    "What is two plus two?",
    "What is 17 times 3?",
    "What is 3 + 4?",
    "What is 12 minus 5?",
    "How much is 100 / 4?",
    "Compute 2 + 2.",
    "Count to ten.",
    "Who wrote Hamlet?",
    "Who is the president?",
    "Why is the sky blue?",
    "Translate this to German.",
    "Do my homework.",
    "Play some music.",
    "What should I eat?",
    "I am hungry.",
    "I am bored.",
    "How is your mother?",
    "Can you cook?",
    "What is the meaning of life?",
    "Open the door.",
    "Say something funny.",
    "Write a program.",
    "What happened in 1969?",
    "Who won the football match?",
    "What is your favourite colour?",
    "Do you dream?",
)
"""Whole questions the model does not know an answer to."""
