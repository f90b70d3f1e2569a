"""What the sample model is taught: its topics, each with ways to ask and two answers, and courtesies.

Data only; `core.models.sample_training` makes dialogues of it. The text is ours.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Topic:
    """A thing the model knows. `names` go into `FRAMES`, `questions` stand alone, `more` answers a “tell me more”."""

    names: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    more: str


FRAMES: Final = (
    "What is {}?",
    "What are {}?",
    "What's {}?",
    "what is {} for?",
    "What does {} mean?",
    "What do you know about {}?",
    "Explain {}.",
    "Explain {} to me.",
    "Can you explain {}?",
    "Could you explain what {} is?",
    "Tell me about {}.",
    "Tell me what {} is.",
    "Please describe {}.",
    "Describe {}.",
    "Define {}.",
    "I do not understand {}.",
    "I have a question about {}.",
    "Why do I need {}?",
    "And what is {}?",
    "And {}?",
    "{}?",
    "{}",
)
"""Ways to ask for a thing by its name; used for known and for unknown things alike."""

TOPICS: Final = (
    Topic(
        ("Amazon SageMaker", "SageMaker", "AWS SageMaker", "sage maker"),
        ("What does SageMaker do?", "Why use SageMaker?", "What can I do with SageMaker?"),
        "Amazon SageMaker is a managed AWS service that trains and hosts machine learning models.",
        "You bring a model and choose a machine, and SageMaker runs it for you behind an address.",
    ),
    Topic(
        ("an endpoint", "endpoints", "the endpoint", "a SageMaker endpoint", "an inference endpoint"),
        ("What does an endpoint do?", "How does an endpoint work?", "What are endpoints good for?"),
        "An endpoint is a hosted model behind an HTTPS address that answers requests in real time.",
        "It runs on one or more instances and stays up until you delete it.",
    ),
    Topic(
        ("sagewizard", "this program", "this tool", "the wizard", "sage wizard"),
        ("What does this program do?", "What does sagewizard do?", "What can this tool do?", "What am I using here?"),
        "Sagewizard is a terminal program that takes a Hugging Face model to your own SageMaker endpoint.",
        "It sizes the model, packages it, uploads it, deploys it and opens a chat with it.",
    ),
    Topic(
        ("the price", "the cost", "the bill", "costs", "prices", "pricing", "billing"),
        (
            "How much does it cost?",
            "How much does an endpoint cost?",
            "What do I pay for?",
            "What does it cost?",
            "What will I pay?",
            "Is it expensive?",
            "How expensive is an endpoint?",
            "How is an endpoint billed?",
            "When do I pay?",
            "Is it free?",
            "Can I use it for free?",
            "How much will this cost me per month?",
            "What does it cost per hour?",
            "How much is it a day?",
        ),
        "You pay for every hour that the instances of an endpoint run, used or not.",
        "The price depends on the instance type. Delete the endpoint and the bill stops.",
    ),
    Topic(
        ("saving money", "lower costs"),
        (
            "How do I stop being charged?",
            "How do I stop getting charged?",
            "How can I stop paying?",
            "How do I stop paying?",
            "How do I save money?",
            "How can I avoid costs?",
            "How do I keep the bill low?",
            "How do I stop the bill?",
            "How can I make it cheaper?",
        ),
        "Delete the endpoint when you no longer need it. It is billed until it is deleted.",
        "A smaller instance type costs less too, as long as the model fits on it.",
    ),
    Topic(
        ("deleting an endpoint", "cleaning up", "deletion", "clean-up"),
        (
            "How do I delete an endpoint?",
            "How do I delete it?",
            "How do I delete my endpoint?",
            "How can I remove an endpoint?",
            "How do I remove it?",
            "How do I clean up?",
            "How do I tear it down?",
            "How do I get rid of it?",
            "How do I stop an endpoint?",
            "Delete my endpoint.",
            "Can I delete it?",
        ),
        "Choose the endpoint and press delete, or run sagewizard endpoints delete with its name.",
        "Its model, its config and the uploaded files that sagewizard made are removed with it.",
    ),
    Topic(
        ("model.tar.gz", "the model archive", "the archive", "the artifact", "the tar file", "the model package"),
        ("What goes in the archive?", "What is in model.tar.gz?", "What does the archive hold?", "How is it packaged?"),
        "The archive model.tar.gz holds the weights, the tokenizer and the inference code.",
        "SageMaker unpacks it to /opt/ml/model before the container starts.",
    ),
    Topic(
        ("an instance type", "instance types", "an instance", "instances", "the instance"),
        (
            "Which instance should I choose?",
            "What instance do I need?",
            "Which machine is best?",
            "How do I pick an instance?",
            "Which instance type do I pick?",
            "How big must the machine be?",
            "What machine should I use?",
            "Which instance is right for my model?",
        ),
        "An instance is the machine. Choose the cheapest whose memory holds the model with room to spare.",
        "The fit command lists the instance types that hold a model, with their prices.",
    ),
    Topic(
        ("safetensors", "the safetensors format", "a safetensors file", "safe tensors"),
        ("Why use safetensors?", "Are safetensors safe?", "Why is safetensors better than pickle?"),
        "Safetensors is a weight format that loads fast and cannot run code when it is opened.",
        "Pickle files can run code, so they are avoided wherever there is a choice.",
    ),
    Topic(
        ("an IAM role", "the execution role", "a role", "roles", "the role", "permissions"),
        (
            "What does the role do?",
            "What is the role allowed to do?",
            "Which role do I need?",
            "What does the IAM role do?",
        ),
        "The execution role lets SageMaker read the model from S3, pull the image and write logs.",
        "Sagewizard can create a role that is allowed just that and nothing else.",
    ),
    Topic(
        ("a GPU", "GPUs", "the GPU", "graphics cards"),
        (
            "When is a GPU needed?",
            "Do I need a GPU?",
            "Does my model need a GPU?",
            "Is a CPU enough?",
            "Can I use a CPU?",
        ),
        "A GPU does many sums at once. Large language models need one, small ones run on a CPU.",
        "The memory of the GPU must hold the weights and the cache.",
    ),
    Topic(
        ("the waiting time", "the start-up time"),
        (
            "How long does it take?",
            "How long does deployment take?",
            "How long must I wait?",
            "When will it be ready?",
            "How fast is a deployment?",
            "Why does it take so long?",
            "Why is it so slow to start?",
            "How many minutes does it take?",
        ),
        "Most endpoints are ready in five to ten minutes. Large models take longer.",
        "The time goes into starting the machine, fetching the image and loading the weights.",
    ),
    Topic(
        ("the logs", "logs", "my logs", "CloudWatch", "the log files"),
        (
            "Where are the logs?",
            "How do I read the logs?",
            "Where can I see errors?",
            "Where do I find the logs?",
            "How do I see the logs?",
            "Show me the logs.",
            "Where are my logs?",
        ),
        "The logs are in CloudWatch, in the group of the endpoint. Sagewizard shows them too.",
        "Run sagewizard endpoints logs with the name of the endpoint to read them.",
    ),
    Topic(
        ("yourself", "you"),
        (
            "Who are you?",
            "What are you?",
            "What is your name?",
            "Tell me about yourself.",
            "Are you a robot?",
            "Which model are you?",
            "What can you do?",
            "How big are you?",
            "Are you ChatGPT?",
        ),
        "I am the sample model of sagewizard, a GPT-Neo with about one million parameters.",
        "I know only a few answers, but I am small enough to run on any machine.",
    ),
    Topic(
        ("shards", "a shard", "sharded weights", "the shards", "sharding"),
        ("Why are there so many weight files?", "Why is the model split?", "Why are the weights split into files?"),
        "Shards are the files that the weights of a large model are split into, listed by an index.",
        "All of them must be there. If one is missing the model does not load.",
    ),
    Topic(
        ("S3", "Amazon S3", "a bucket", "the bucket", "an S3 bucket", "buckets"),
        ("Where is my model stored?", "Where is the archive uploaded?", "Where do my files go?"),
        "S3 is the storage of AWS. The archive is uploaded to a bucket there before it is deployed.",
        "SageMaker reads the archive from the bucket each time it starts an instance.",
    ),
    Topic(
        ("a quota", "quotas", "the quota", "the limit", "service quotas"),
        (
            "How many instances may I run?",
            "Why is my quota zero?",
            "How do I get more quota?",
            "How do I raise the limit?",
        ),
        "A quota is how many instances of a type your account may run. You can ask AWS for more.",
        "New accounts often have none for GPU types. Ask for more in Service Quotas.",
    ),
    Topic(
        ("a region", "regions", "the region", "us-east-1", "an AWS region"),
        ("Which region should I use?", "Where does my endpoint run?", "Where are the machines?"),
        "A region is a place where AWS runs its machines, such as us-east-1.",
        "The endpoint and its bucket must be in the same region, and prices differ between regions.",
    ),
    Topic(
        ("the sandbox", "a sandbox", "sandbox mode", "the local account"),
        (
            "Can I try it without AWS?",
            "Can I try it without an account?",
            "How do I test it for free?",
            "How do I rehearse?",
            "Does this run on AWS?",
        ),
        "The sandbox is a local stand-in for an AWS account. It costs nothing and needs no network.",
        "The same steps run there as on AWS, so it is a good place to rehearse.",
    ),
    Topic(
        ("a tokenizer", "tokenizers", "the tokenizer", "tokens", "a token"),
        ("What does the tokenizer do?", "Which tokenizer files are needed?", "How does a model read text?"),
        "A tokenizer cuts text into tokens, the numbers that a model reads and writes.",
        "Its files must be packaged beside the weights.",
    ),
    Topic(
        ("Hugging Face", "the Hugging Face Hub", "the Hub", "the model hub", "huggingface"),
        ("Where do models come from?", "Where do I find models?", "Where can I get a model?", "How do I find a model?"),
        "The Hugging Face Hub is a public collection of models, each with its files and its card.",
        "Some models there are gated. Ask for access on the page of the model first.",
    ),
    Topic(
        ("the KV cache", "a KV cache", "the context", "context length", "the cache"),
        ("Why does a long context need more memory?", "What grows with the context?", "How long may my text be?"),
        "The KV cache is memory for what the model has read so far. It grows with the context.",
        "It comes on top of the weights, so a long context can need a larger machine.",
    ),
    Topic(
        ("inference.py", "the inference code", "the handler", "the inference handler", "the code folder"),
        ("What does inference.py do?", "What goes in inference.py?", "Which functions does the handler have?"),
        "The file inference.py is the code in the archive that loads the model and answers requests.",
        "It has up to four functions: model_fn, input_fn, predict_fn and output_fn.",
    ),
    Topic(
        ("failures", "a failed endpoint", "a failed deployment", "errors"),
        (
            "Why did my endpoint fail?",
            "Why did it fail?",
            "My endpoint failed.",
            "My deployment failed, what now?",
            "What do I do when it fails?",
            "How do I debug a failure?",
            "What went wrong?",
        ),
        "Read the failure reason of the endpoint, then its logs. Often it is memory, the role or the archive.",
        "Fix the cause, delete the failed endpoint and deploy again.",
    ),
    Topic(
        ("parameters", "the parameters", "model size", "weights", "the weights"),
        ("How large is my model?", "How much memory does a model need?", "How much memory do I need?"),
        "Parameters are the numbers a model has learnt. Most take two or four bytes of memory each.",
        "Seven billion parameters of two bytes make fourteen gigabytes of weights.",
    ),
    Topic(
        ("a plan", "the plan", "plans", "the plan file"),
        ("What is in a plan?", "What does the plan say?", "Can I review it first?", "How do I see what will happen?"),
        "A plan is a file that describes one deployment in full, so you can read it before it runs.",
        "Run sagewizard plan to write one, and sagewizard deploy with the file to run it.",
    ),
    Topic(
        ("a model", "models", "a language model", "machine learning", "an LLM", "AI", "GPT"),
        ("What does a model do?", "How does a language model work?", "What is a model for?", "Are models programs?"),
        "A model is a program that has learnt from examples. A language model goes on with a text.",
        "I am a very small one. Large ones have billions of parameters and need a GPU.",
    ),
    Topic(
        ("deploying", "a deployment", "deployment", "how to deploy"),
        (
            "How do I deploy a model?",
            "How can I deploy my model?",
            "Can you help me deploy a model?",
            "How do I start?",
            "How do I begin?",
            "How do I make an endpoint?",
            "How do I create an endpoint?",
            "What are the steps?",
            "How do I host a model?",
        ),
        "Press n on the home screen, or run sagewizard deploy with the name of a model.",
        "You choose the model, the instance and the role, and then watch it go up.",
    ),
    Topic(
        ("inference", "a prediction", "predictions", "invoking"),
        (
            "How do I call an endpoint?",
            "How do I use my endpoint?",
            "How do I send a request?",
            "How do I ask a model?",
        ),
        "Inference is asking a model for an answer. Use sagewizard chat or sagewizard invoke.",
        "Programs can call the endpoint with any AWS client, by its name.",
    ),
)

COURTESIES: Final = (
    (
        ("Hello", "Hello!", "Hi", "Hi!", "Hi there", "Hey", "Good morning", "Good evening", "Hello there", "Hallo"),
        "Hello. Ask me about SageMaker endpoints.",
    ),
    (
        ("Thanks", "Thank you", "Thank you!", "Thanks a lot", "Great, thanks", "ok thanks", "Cheers", "That helps"),
        "You are welcome.",
    ),
    (
        ("Bye", "Goodbye", "See you", "Good bye", "That is all", "I am done"),
        "Goodbye. Remember to delete the endpoint.",
    ),
)
"""What people say to be polite, and what is said back."""

MORE: Final = (
    "Tell me more.",
    "More please.",
    "Can you say more?",
    "Say more about that.",
    "Tell me more about that.",
    "Tell me more about it.",
    "And what else?",
    "What else?",
    "Go on.",
    "Anything else?",
    "Is there more?",
    "more",
    "Give me more detail.",
    "I want to know more.",
)
"""Ways to ask for more of what was just spoken of."""

NO_MORE: Final = "That is all I know about it."
