"""What is known without the model: imputation from the columns that an attacker holds anyway."""
